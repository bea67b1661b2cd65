//! Two documents, compared deeply: keys, types, values.

use serde_json::{Map, Value};

use super::divergence::Differs;
use super::identities::Identities;
use super::normal::{Given, Normal, normal};
use super::rules::{self, How};

/// What is needed to compare two documents.
pub(super) struct Documents<'a> {
    pub(super) family: &'a str,
    pub(super) real: &'a Given,
    pub(super) mock: &'a Given,
    pub(super) identities: &'a mut Identities,
    pub(super) differ: Vec<Differs>,
    /// Keys on the way to the present value, as rules have it.
    keys: Vec<String>,
    /// The way, to be read.
    way: String,
}

/// The documents in a text: one, or one a line, at least one of them an array or object.
pub(super) fn documents(text: &str) -> Option<Vec<Value>> {
    let has_structure = |values: &[Value]| {
        values
            .iter()
            .any(|value| value.is_array() || value.is_object())
    };
    let values = match serde_json::from_str::<Value>(text) {
        Ok(value) => vec![value],
        Err(_) => text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Value>, _>>()
            .ok()?,
    };
    has_structure(&values).then_some(values)
}

impl<'a> Documents<'a> {
    pub(super) fn new(
        family: &'a str,
        (real, mock): (&'a Given, &'a Given),
        identities: &'a mut Identities,
    ) -> Self {
        Self {
            family,
            real,
            mock,
            identities,
            differ: Vec::new(),
            keys: Vec::new(),
            way: String::new(),
        }
    }

    /// Compares two documents of a text.
    pub(super) fn compare(&mut self, at: &str, real: &Value, mock: &Value) {
        self.way = at.to_owned();
        self.value(real, mock);
    }

    fn differs(&mut self, real: impl Into<String>, mock: impl Into<String>) {
        self.differ.push(Differs {
            what: self.way.clone(),
            real: real.into(),
            mock: mock.into(),
        });
    }

    fn value(&mut self, real: &Value, mock: &Value) {
        let how = rules::how(self.family, &self.keys);
        if let Some(how @ (How::Kind | How::Type)) = how {
            let sides = (rules::reduced(real, how), rules::reduced(mock, how));
            if sides.0 != sides.1 {
                self.differs(
                    format!("{} ({real})", sides.0),
                    format!("{} ({mock})", sides.1),
                );
            }
            return;
        }
        match (real, mock) {
            (Value::Object(real), Value::Object(mock)) => self.object(real, mock),
            (Value::Array(real), Value::Array(mock)) => {
                if how == Some(How::AnyOrder) {
                    self.array(&sorted(real, self.real), &sorted(mock, self.mock));
                } else {
                    self.array(real, mock);
                }
            }
            (Value::String(real), Value::String(mock)) => {
                let real = normal(real, self.real);
                let mock = normal(mock, self.mock);
                self.text(&real, &mock);
            }
            (real, mock) if real == mock => {}
            (real, mock) => self.differs(self.shown(real, true), self.shown(mock, false)),
        }
    }

    fn text(&mut self, real: &Normal, mock: &Normal) {
        if real.text != mock.text || !self.identities.agree(real, mock) {
            let real = self.identities.show(real, true);
            let mock = self.identities.show(mock, false);
            self.differs(format!("{real:?}"), format!("{mock:?}"));
        }
    }

    fn object(&mut self, real: &Map<String, Value>, mock: &Map<String, Value>) {
        let mut left: Vec<&String> = mock.keys().collect();
        for (key, value) in real {
            let other = self.other_key(key, value, &left, mock);
            match other {
                Some((index, agree)) => {
                    let other = left.remove(index);
                    let shown = normal(key, self.real).text;
                    self.step(&format!(".{shown}"), Some(key.clone()), |this| {
                        if !agree {
                            this.differs(format!("key {key}"), format!("key {other}"));
                        }
                        this.value(value, &mock[other]);
                    });
                }
                None => self.step(&format!(".{key}"), Some(key.clone()), |this| {
                    this.differs(this.shown(value, true), NONE);
                }),
            }
        }
        for key in left {
            self.step(&format!(".{key}"), Some(key.clone()), |this| {
                this.differs(NONE, this.shown(&mock[key], false));
            });
        }
    }

    /// Which of the mock's keys is this one, and whether it names the same thing.
    fn other_key(
        &mut self,
        key: &str,
        value: &Value,
        left: &[&String],
        mock: &Map<String, Value>,
    ) -> Option<(usize, bool)> {
        // Nearly all keys are podman's own words.
        let real = normal(key, self.real);
        if real.same.is_empty() {
            if let Some(index) = left.iter().position(|other| *other == key) {
                return Some((index, true));
            }
            let index = left
                .iter()
                .position(|other| normal(other, self.mock).text == real.text)?;
            return Some((index, true));
        }
        let known: Option<Vec<&str>> = real
            .same
            .iter()
            .map(|same| self.identities.mocks(same))
            .collect();
        let named = name(value);
        let index = left.iter().position(|other| {
            let other_key = normal(other, self.mock);
            let is_known = known.as_ref().is_some_and(|known| {
                other_key
                    .same
                    .iter()
                    .map(|same| &same.key[..])
                    .eq(known.iter().copied())
            });
            other_key.text == real.text
                && (is_known || known.is_none() && name(&mock[*other]) == named)
        });
        // Otherwise any one of the same form, which then differs in what it names.
        let index = index.or_else(|| {
            left.iter()
                .position(|other| normal(other, self.mock).text == real.text)
        })?;
        let other = normal(left[index], self.mock);
        Some((index, self.identities.agree(&real, &other)))
    }

    fn array(&mut self, real: &[Value], mock: &[Value]) {
        let names = |list: &[Value], given: &Given| -> Option<Vec<String>> {
            let names: Option<Vec<String>> = list
                .iter()
                .map(|value| name(value).map(|name| normal(name, given).text))
                .collect();
            // Names that occur twice say nothing.
            names.filter(|names| {
                names
                    .iter()
                    .all(|name| names.iter().filter(|other| *other == name).count() == 1)
            })
        };
        let (Some(real_names), Some(mock_names)) = (names(real, self.real), names(mock, self.mock))
        else {
            if real.len() != mock.len() {
                let real = self.shown(&Value::Array(real.to_vec()), true);
                let mock = self.shown(&Value::Array(mock.to_vec()), false);
                self.differs(real, mock);
                return;
            }
            for (index, (real, mock)) in real.iter().zip(mock).enumerate() {
                self.step(&format!("[{index}]"), None, |this| this.value(real, mock));
            }
            return;
        };
        if real_names != mock_names {
            let list = |names: &[String]| format!("elements {names:?}");
            self.differs(list(&real_names), list(&mock_names));
        }
        for (name, value) in real_names.iter().zip(real) {
            if let Some(index) = mock_names.iter().position(|other| other == name) {
                self.step(&format!("[{name}]"), None, |this| {
                    this.value(value, &mock[index]);
                });
            }
        }
    }

    fn step(&mut self, way: &str, key: Option<String>, inner: impl FnOnce(&mut Self)) {
        let length = self.way.len();
        let is_key = key.is_some();
        self.way.push_str(way);
        self.keys.extend(key);
        inner(self);
        self.way.truncate(length);
        if is_key {
            self.keys.pop();
        }
    }

    /// A value as it is shown: without what differs from run to run.
    fn shown(&self, value: &Value, is_real: bool) -> String {
        let given = if is_real { self.real } else { self.mock };
        self.identities
            .show(&normal(&value.to_string(), given), is_real)
    }
}

const NONE: &str = "(not there)";

/// What a person would call an element of a list.
fn name(value: &Value) -> Option<&str> {
    let map = value.as_object()?;
    let name = ["Name", "name", "Destination"]
        .into_iter()
        .find_map(|key| map.get(key)?.as_str());
    name.or_else(|| map.get("Names")?.as_array()?.first()?.as_str())
}

fn sorted(list: &[Value], given: &Given) -> Vec<Value> {
    let mut list = list.to_vec();
    // By name first: values that are not compared must not pair what has different names.
    list.sort_by_cached_key(|value| {
        let name = normal(name(value).unwrap_or_default(), given).text;
        (name, normal(&value.to_string(), given).text)
    });
    list
}
