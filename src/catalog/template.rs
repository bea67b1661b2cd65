//! Texts with secrets in them: connection strings, URLs, configuration files.
//!
//! A reference is `${KIND:NAME}`; everything else, a lone `$` too, stands for itself.

/// A text with references, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'a>(pub Vec<Part<'a>>);

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Itself.
    Text(&'a str),
    /// Something made of the secret of this name.
    Secret(Form, &'a str),
}

/// What becomes of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `${secret:NAME}`: its content.
    Plain,
    /// `${rpcauth:NAME}`: what follows `rpcauth=USER:` in a bitcoin.conf, a salt and a hash of it.
    RpcAuth,
    /// `${bcrypt:NAME}`: its bcrypt hash.
    Bcrypt,
}

impl Form {
    const ALL: [(&'static str, Self); 3] = [
        ("secret", Self::Plain),
        ("rpcauth", Self::RpcAuth),
        ("bcrypt", Self::Bcrypt),
    ];
}

impl<'a> Template<'a> {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with its first bad reference.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, reference)) = rest.split_once("${") {
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            let Some((inside, after)) = reference.split_once('}') else {
                return Err("a reference `${` does not end with `}`".to_owned());
            };
            let found = inside.split_once(':').and_then(|(kind, name)| {
                let form = Form::ALL.iter().find(|(word, _)| *word == kind)?.1;
                Some(Part::Secret(form, name))
            });
            let Some(part) = found else {
                let shown: String = inside.chars().take(40).collect();
                return Err(format!(
                    "`${{{shown}}}` is none of `${{secret:NAME}}`, `${{rpcauth:NAME}}` and `${{bcrypt:NAME}}`"
                ));
            };
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        Ok(Self(parts))
    }

    /// Names of the secrets it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Secret(_, name) => Some(*name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_all_else_stands_for_itself() {
        let text = "a$b ${secret:x}@${rpcauth:y}$ }";
        let template = Template::parse(text).expect("good");
        assert_eq!(
            template.0,
            [
                Part::Text("a$b "),
                Part::Secret(Form::Plain, "x"),
                Part::Text("@"),
                Part::Secret(Form::RpcAuth, "y"),
                Part::Text("$ }"),
            ]
        );
        assert_eq!(template.secrets().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn bad_references_are_quoted() {
        for (text, part) in [
            ("${secret:x", "does not end"),
            ("${HOME}", "`${HOME}` is none of"),
            ("${Secret:x}", "`${Secret:x}` is none of"),
        ] {
            let error = Template::parse(text).expect_err("bad");
            assert!(error.contains(part), "{error}");
        }
    }
}
