//! podman's `--format` templates: the part of Go's text/template that people write on a command line. What is beyond it is
//! refused and quoted, never guessed.
//!
//! Known: text, `{{.A.B}}`, `{{.}}`, `{{json .A}}`, `{{len .A}}`, `{{index .A "k"}}`, `{{.Method "argument"}}`, `{{.A | json}}`,
//! `{{range .A}}…{{end}}`, `{{if .A}}…{{else}}…{{end}}`, strings, whole numbers, and `{{-`, `-}}`.

use std::borrow::Cow;

use serde_json::Value;

use super::render::go_time;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    nodes: Vec<Node>,
}

/// What a template is applied to: a document, and what podman's report types add to its fields.
pub(super) trait Subject {
    /// The document.
    fn document(&self) -> &Value;

    /// What `.NAME ARGUMENTS` is where the document has no such field, or another than Go's type: podman's methods.
    fn method(&self, _name: &str, _arguments: &[Value]) -> Option<Value> {
        None
    }

    /// The value of a field that Go's type has and this document leaves out, as Go does with what is empty.
    fn absent(&self, _field: &str) -> Option<Value> {
        None
    }

    /// How Go's type of the field of that name prints: a JSON object may be a map or a struct, a null anything.
    fn kind(&self, _field: &str) -> Kind {
        Kind::Plain
    }
}

impl Subject for Value {
    fn document(&self) -> &Value {
        self
    }
}

/// Go's kinds, as far as JSON does not tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What JSON says; an object is a struct, a null is nil.
    Plain,
    /// A map: `map[a:b]`, `map[]` for null.
    Map,
    /// A slice: `[a b]`, `[]` for null.
    Slice,
    /// A string: nothing for null.
    Text,
    /// A time: `2026-11-27 00:48:37.8 +0000 UTC` for RFC 3339.
    Time,
}

/// Why a template gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplateError {
    /// It cannot be read; Go's words for it, such as `unclosed action`.
    Syntax(String),
    /// There is no such field.
    NoField {
        /// Its name.
        field: String,
        /// The whole path, as `.State.NoSuch`.
        path: String,
        /// Where the path stands: its offset in the line, as Go counts (in bytes from 0).
        offset: usize,
    },
    /// Go knows it, this does not; it is quoted.
    Beyond(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Print(Pipe),
    Range(Pipe, Vec<Node>),
    If(Pipe, Vec<Node>, Vec<Node>),
}

/// `a | b | c`: each command takes what the one before gave as its last argument.
type Pipe = Vec<Vec<Term>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// `.A.B`, without fields for `.`; and where it stands.
    Path(Vec<String>, usize),
    /// A string or a number.
    Literal(Value),
    /// `json`, `len`, `index` …
    Function(String),
    /// `(index .A "k").B`: a pipe, and the fields of what it gives.
    Inner(Pipe, Vec<String>, usize),
}

/// Something on its way through a pipe: a value, and the name of the field it comes from.
#[derive(Debug, Clone)]
struct Held {
    value: Value,
    field: String,
}

impl Template {
    /// Reads a template. podman itself puts tabs and line feeds for `\t` and `\n` before.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut parser = Parser {
            pieces: pieces(&text)?,
            at: 0,
        };
        let nodes = parser.nodes(None)?;
        Ok(Self { nodes })
    }

    /// Applies it.
    pub(super) fn render(&self, subject: &dyn Subject) -> Result<String, TemplateError> {
        let mut out = String::new();
        render(&self.nodes, subject, None, &mut out)?;
        Ok(out)
    }
}

enum Piece {
    Text(String),
    /// What stands between `{{` and `}}`, and its offset.
    Action(String, usize),
}

fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trims = false;
    while let Some(open) = rest.find("{{") {
        let before = &rest[..open];
        let inner = &rest[open + 2..];
        let Some(close) = inner.find("}}") else {
            return Err(unclosed(inner));
        };
        let action = &inner[..close];
        let before = if trims { before.trim_start() } else { before };
        let (before, action, skipped) = match action.strip_prefix("- ") {
            Some(action) => (before.trim_end(), action, 2),
            None => (before, action, 0),
        };
        let (action, trims_next) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        trims = trims_next;
        let offset = text.len() - rest.len() + open + 2 + skipped;
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Action(action.to_owned(), offset));
        rest = &inner[close + 2..];
    }
    let rest = if trims { rest.trim_start() } else { rest };
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// podman puts the template into a loop, so that `{{end}}` comes after what is not closed.
fn unclosed(inner: &str) -> TemplateError {
    match inner.chars().next_back() {
        None | Some(' ') => TemplateError::Syntax("unexpected \"{\" in command".into()),
        Some(last) if last.is_alphanumeric() => {
            TemplateError::Syntax("bad character U+007B '{'".into())
        }
        Some(_) => TemplateError::Beyond(format!("{{{{{inner}")),
    }
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
}

impl Parser {
    /// Nodes up to `{{end}}`, or `{{else}}`, of the block that `block` opened; to the end of the text without one.
    fn nodes(&mut self, block: Option<&str>) -> Result<Vec<Node>, TemplateError> {
        let mut nodes = Vec::new();
        while self.at < self.pieces.len() {
            match &self.pieces[self.at] {
                Piece::Text(text) => {
                    if !text.is_empty() {
                        nodes.push(Node::Text(text.clone()));
                    }
                    self.at += 1;
                }
                Piece::Action(action, offset) => {
                    let (action, offset) = (action.clone(), *offset);
                    let (word, rest) = split_word(&action);
                    match word {
                        "end" | "else" if block.is_some() && rest.is_empty() => return Ok(nodes),
                        "end" | "else" => {
                            return Err(TemplateError::Syntax(format!(
                                "unexpected {{{{{word}}}}}"
                            )));
                        }
                        "range" | "if" => {
                            self.at += 1;
                            nodes.push(self.block(
                                word,
                                rest,
                                offset + action.len() - rest.len(),
                            )?);
                        }
                        "with" | "define" | "template" | "block" | "break" | "continue" => {
                            return Err(TemplateError::Beyond(format!("{{{{{action}}}}}")));
                        }
                        _ => {
                            nodes.push(Node::Print(pipe(&action, offset)?));
                            self.at += 1;
                        }
                    }
                }
            }
        }
        match block {
            None => Ok(nodes),
            Some(_) => Err(TemplateError::Syntax("unexpected EOF".into())),
        }
    }

    fn block(&mut self, word: &str, rest: &str, offset: usize) -> Result<Node, TemplateError> {
        let over = pipe(rest, offset)?;
        let inner = self.nodes(Some(word))?;
        let has_else =
            matches!(&self.pieces[self.at], Piece::Action(action, _) if action.trim() == "else");
        self.at += 1;
        let other = if has_else {
            let other = self.nodes(Some(word))?;
            self.at += 1;
            other
        } else {
            Vec::new()
        };
        match word {
            "range" if other.is_empty() => Ok(Node::Range(over, inner)),
            "range" => Err(TemplateError::Beyond("{{else}} of {{range}}".into())),
            _ => Ok(Node::If(over, inner, other)),
        }
    }
}

fn split_word(action: &str) -> (&str, &str) {
    let action = action.trim();
    match action.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (action, ""),
    }
}

/// Reads `.A.B`, `json .A`, `.A | json`, `index .A "k"`.
fn pipe(text: &str, offset: usize) -> Result<Pipe, TemplateError> {
    let mut commands = vec![Vec::new()];
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = offset + text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            break;
        };
        let last = commands.len() - 1;
        if first == '|' {
            commands.push(Vec::new());
            rest = &rest[1..];
        } else if first == '(' {
            let end =
                closing(rest).ok_or_else(|| TemplateError::Syntax("unclosed left paren".into()))?;
            let inner = pipe(&rest[1..end], at + 1)?;
            let after = &rest[end + 1..];
            let length = after
                .find(|letter: char| letter.is_whitespace() || letter == '|' || letter == ')')
                .unwrap_or(after.len());
            let fields = match &after[..length] {
                "" => Vec::new(),
                path => match term(path, at + end + 1)? {
                    Term::Path(fields, _) => fields,
                    _ => return Err(TemplateError::Beyond(rest.to_owned())),
                },
            };
            commands[last].push(Term::Inner(inner, fields, at + end + 1));
            rest = &after[length..];
        } else if first == '"' || first == '`' {
            let Some(end) = rest[1..].find(first) else {
                return Err(TemplateError::Syntax("unterminated quoted string".into()));
            };
            if rest[1..=end].contains('\\') {
                return Err(TemplateError::Beyond(rest.to_owned()));
            }
            commands[last].push(Term::Literal(Value::from(&rest[1..=end])));
            rest = &rest[end + 2..];
        } else {
            let end = rest
                .find(|letter: char| letter.is_whitespace() || letter == '|')
                .unwrap_or(rest.len());
            commands[last].push(term(&rest[..end], at)?);
            rest = &rest[end..];
        }
    }
    if commands.iter().any(Vec::is_empty) {
        return Err(TemplateError::Syntax(if commands.len() == 1 {
            "missing value for command".into()
        } else {
            "missing value for pipeline".into()
        }));
    }
    Ok(commands)
}

/// Where the parenthesis that `text` begins with is closed; parentheses in strings do not count.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

fn term(word: &str, at: usize) -> Result<Term, TemplateError> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    if word == "." {
        return Ok(Term::Path(Vec::new(), at));
    }
    if let Some(path) = word.strip_prefix('.') {
        let fields: Vec<String> = path.split('.').map(str::to_owned).collect();
        return if fields.iter().all(|field| is_name(field)) {
            Ok(Term::Path(fields, at))
        } else {
            Err(TemplateError::Beyond(word.to_owned()))
        };
    }
    if let Ok(number) = word.parse::<i64>() {
        return Ok(Term::Literal(number.into()));
    }
    match word {
        "json" | "len" | "index" | "println" | "print" | "join" | "upper" | "lower" | "not" => {
            Ok(Term::Function(word.to_owned()))
        }
        "true" | "false" => Ok(Term::Literal((word == "true").into())),
        _ if is_name(word) && word.chars().next().is_some_and(char::is_alphabetic) => Err(
            TemplateError::Syntax(format!("function \"{word}\" not defined")),
        ),
        _ => Err(TemplateError::Beyond(word.to_owned())),
    }
}

fn render(
    nodes: &[Node],
    subject: &dyn Subject,
    dot: Option<&Held>,
    out: &mut String,
) -> Result<(), TemplateError> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(pipe) => {
                let held = evaluate(pipe, subject, dot)?;
                out.push_str(&shown(&held, subject)?);
            }
            Node::If(pipe, then, other) => {
                let held = evaluate(pipe, subject, dot)?;
                let chosen = if is_true(&held.value) { then } else { other };
                render(chosen, subject, dot, out)?;
            }
            Node::Range(pipe, inner) => {
                let held = evaluate(pipe, subject, dot)?;
                let each: Vec<Value> = match held.value {
                    Value::Array(all) => all,
                    // Go goes through maps in the order of their keys, as serde_json keeps them.
                    Value::Object(all) => all.into_iter().map(|(_, value)| value).collect(),
                    Value::Null => Vec::new(),
                    other => return Err(TemplateError::Beyond(format!("range over {other}"))),
                };
                for value in each {
                    let field = held.field.clone();
                    render(inner, subject, Some(&Held { value, field }), out)?;
                }
            }
        }
    }
    Ok(())
}

fn evaluate(pipe: &Pipe, subject: &dyn Subject, dot: Option<&Held>) -> Result<Held, TemplateError> {
    let mut passed: Option<Held> = None;
    for command in pipe {
        let (head, arguments) = command.split_first().expect("no command is empty");
        let mut values = Vec::new();
        for argument in arguments {
            values.push(match argument {
                Term::Path(fields, at) => look_up(fields, *at, &[], subject, dot)?,
                Term::Literal(value) => literal(value),
                Term::Function(name) => return Err(TemplateError::Beyond(name.clone())),
                Term::Inner(pipe, fields, at) => {
                    let held = evaluate(pipe, subject, dot)?;
                    look_up(fields, *at, &[], subject, Some(&held))?
                }
            });
        }
        values.extend(passed.take());
        passed = Some(match head {
            Term::Path(fields, at) => {
                let plain: Vec<Value> = values.into_iter().map(|held| held.value).collect();
                look_up(fields, *at, &plain, subject, dot)?
            }
            Term::Literal(value) if values.is_empty() => literal(value),
            Term::Literal(value) => return Err(TemplateError::Beyond(value.to_string())),
            Term::Function(name) => call(name, values, subject)?,
            Term::Inner(pipe, fields, at) if values.is_empty() => {
                let held = evaluate(pipe, subject, dot)?;
                look_up(fields, *at, &[], subject, Some(&held))?
            }
            Term::Inner(..) => return Err(TemplateError::Beyond("a call of (…)".into())),
        });
    }
    Ok(passed.expect("a pipe has a command"))
}

fn literal(value: &Value) -> Held {
    Held {
        value: value.clone(),
        field: String::new(),
    }
}

fn look_up(
    fields: &[String],
    offset: usize,
    arguments: &[Value],
    subject: &dyn Subject,
    dot: Option<&Held>,
) -> Result<Held, TemplateError> {
    let is_root = dot.is_none();
    let mut field = dot.map_or("", |held| held.field.as_str());
    let mut value = Cow::Borrowed(dot.map_or_else(|| subject.document(), |held| &held.value));
    for (depth, next) in fields.iter().enumerate() {
        let method = (is_root && depth == 0)
            .then(|| subject.method(next, arguments))
            .flatten();
        let found = match (method, &value) {
            (Some(made), _) => Some(Cow::Owned(made)),
            (None, Cow::Borrowed(value)) => value.get(next).map(Cow::Borrowed),
            (None, Cow::Owned(value)) => value.get(next).cloned().map(Cow::Owned),
        };
        value = match found.or_else(|| subject.absent(next).map(Cow::Owned)) {
            Some(value) => value,
            None if subject.kind(field) == Kind::Map => {
                // A key that a map does not have.
                return Ok(literal(&Value::from("<no value>")));
            }
            None => {
                return Err(TemplateError::NoField {
                    field: next.clone(),
                    path: format!(".{}", fields.join(".")),
                    offset: offset
                        + fields[..depth]
                            .iter()
                            .map(|name| name.len() + 1)
                            .sum::<usize>(),
                });
            }
        };
        field = next;
    }
    Ok(Held {
        value: value.into_owned(),
        field: field.to_owned(),
    })
}

fn call(name: &str, mut values: Vec<Held>, subject: &dyn Subject) -> Result<Held, TemplateError> {
    let beyond = || TemplateError::Beyond(name.to_owned());
    let text = |text: String| Held {
        value: Value::from(text),
        field: String::new(),
    };
    Ok(match (name, values.len()) {
        ("json", 1) => text(go_json(&values.remove(0).value)),
        ("len", 1) => {
            let length = match &values[0].value {
                Value::Array(all) => all.len(),
                Value::Object(all) => all.len(),
                Value::String(all) => all.len(),
                Value::Null => 0,
                _ => return Err(beyond()),
            };
            literal(&Value::from(length))
        }
        ("index", 2) => {
            let key = values.remove(1).value;
            let held = values.remove(0);
            let found = match (&held.value, &key) {
                (Value::Object(all), Value::String(key)) => all.get(key).cloned(),
                (Value::Array(all), Value::Number(key)) => key
                    .as_u64()
                    .and_then(|key| all.get(usize::try_from(key).ok()?).cloned()),
                _ => return Err(beyond()),
            };
            match found {
                Some(value) => Held {
                    value,
                    field: String::new(),
                },
                None => text(String::new()),
            }
        }
        ("upper", 1) => text(shown(&values[0], subject)?.to_uppercase()),
        ("lower", 1) => text(shown(&values[0], subject)?.to_lowercase()),
        ("not", 1) => literal(&Value::from(!is_true(&values[0].value))),
        ("println", 1) => text(format!("{}\n", shown(&values[0], subject)?)),
        ("print", 1) => text(shown(&values[0], subject)?),
        _ => return Err(beyond()),
    })
}

/// As Go's encoding/json writes: compact, and `<`, `>`, `&` escaped.
fn go_json(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// As Go's fmt prints it.
fn shown(held: &Held, subject: &dyn Subject) -> Result<String, TemplateError> {
    let kind = subject.kind(&held.field);
    print(&held.value, kind)
}

fn print(value: &Value, kind: Kind) -> Result<String, TemplateError> {
    let all = |parts: Result<Vec<String>, TemplateError>| Ok(parts?.join(" "));
    Ok(match value {
        Value::String(text) if kind == Kind::Time => match text.parse() {
            Ok(time) => go_time(time),
            Err(_) => return Err(TemplateError::Beyond(format!("the time {text}"))),
        },
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null => match kind {
            Kind::Map => "map[]".to_owned(),
            Kind::Slice => "[]".to_owned(),
            Kind::Text => String::new(),
            Kind::Plain | Kind::Time => "<nil>".to_owned(),
        },
        Value::Array(values) => {
            let inner: Result<String, TemplateError> = all(values
                .iter()
                .map(|value| print(value, Kind::Plain))
                .collect());
            format!("[{}]", inner?)
        }
        Value::Object(values) if kind == Kind::Map => {
            let inner: Result<String, TemplateError> = all(values
                .iter()
                .map(|(key, value)| Ok(format!("{key}:{}", print(value, Kind::Plain)?)))
                .collect());
            format!("map[{}]", inner?)
        }
        Value::Object(_) => {
            return Err(TemplateError::Beyond("printing a struct as a whole".into()));
        }
    })
}

/// Go's truth: not zero, not empty.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Row(Value);

    impl Subject for Row {
        fn document(&self) -> &Value {
            &self.0
        }

        fn method(&self, name: &str, arguments: &[Value]) -> Option<Value> {
            match (name, arguments) {
                ("Label", [Value::String(key)]) => Some(self.0["Labels"][key].clone()),
                ("Upper", []) => Some(json!("METHOD")),
                _ => None,
            }
        }

        fn kind(&self, field: &str) -> Kind {
            match field {
                "Labels" => Kind::Map,
                "Mounts" => Kind::Slice,
                _ => Kind::Plain,
            }
        }
    }

    fn row() -> Row {
        Row(json!({
            "Names": ["a", "b"],
            "State": { "Status": "running", "Pid": 7, "Health": null },
            "Labels": { "app": "x", "k": "" },
            "Mounts": null,
            "Exited": false,
            "Text": "<a&b>",
        }))
    }

    fn rendered(text: &str) -> Result<String, TemplateError> {
        Template::parse(text)?.render(&row())
    }

    #[test]
    fn what_people_write() {
        for (template, text) in [
            ("plain", "plain"),
            ("{{.State.Status}} {{.State.Pid}}", "running 7"),
            ("{{ .State.Status }}", "running"),
            ("{{.Names}}\\t{{.Exited}}", "[a b]\tfalse"),
            (
                "{{.Labels}} {{.Mounts}} {{.State.Health}}",
                "map[app:x k:] [] <nil>",
            ),
            (
                "{{json .State}}",
                r#"{"Health":null,"Pid":7,"Status":"running"}"#,
            ),
            ("{{json .Text}}", r#""\u003ca\u0026b\u003e""#),
            ("{{.Names | json}}", r#"["a","b"]"#),
            ("{{.Label \"app\"}}", "x"),
            ("{{.Upper}}", "METHOD"),
            ("{{index .Labels \"app\"}} {{index .Names 1}}", "x b"),
            ("{{(index .Names 1)}} {{(.State).Pid}}", "b 7"),
            ("{{len .Names}}", "2"),
            ("{{range .Names}}<{{.}}>{{end}}", "<a><b>"),
            (
                "{{if .Exited}}yes{{else}}no{{end}}{{if .Names}}!{{end}}",
                "no!",
            ),
            ("a {{- .Exited -}} b", "afalseb"),
        ] {
            assert_eq!(rendered(template), Ok(text.into()), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_an_error_and_quoted() {
        let no_field = |field: &str, path: &str, offset| TemplateError::NoField {
            field: field.into(),
            path: path.into(),
            offset,
        };
        for (template, error) in [
            (
                "{{",
                TemplateError::Syntax("unexpected \"{\" in command".into()),
            ),
            (
                "{{}}",
                TemplateError::Syntax("missing value for command".into()),
            ),
            (
                "{{end}}",
                TemplateError::Syntax("unexpected {{end}}".into()),
            ),
            (
                "{{if .Exited}}",
                TemplateError::Syntax("unexpected EOF".into()),
            ),
            (
                "{{nosuch .A}}",
                TemplateError::Syntax("function \"nosuch\" not defined".into()),
            ),
            ("{{.NoSuch}}", no_field("NoSuch", ".NoSuch", 2)),
            (
                "x {{.State.NoSuch}}",
                no_field("NoSuch", ".State.NoSuch", 10),
            ),
            (
                "{{with .A}}{{end}}",
                TemplateError::Beyond("{{with .A}}".into()),
            ),
            (
                "{{.State}}",
                TemplateError::Beyond("printing a struct as a whole".into()),
            ),
            ("{{$x := 1}}", TemplateError::Beyond("$x".into())),
        ] {
            assert_eq!(rendered(template), Err(error), "{template}");
        }
    }
}
