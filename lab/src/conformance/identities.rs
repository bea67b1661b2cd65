//! Which thing of one transcript is which of the other: ids differ, what they stand for must not.

use std::collections::BTreeMap;

use super::normal::{Kind, Normal, Same};

/// Pairs that were found so far.
#[derive(Debug, Default)]
pub(super) struct Identities {
    pairs: Vec<(Same, Same)>,
    real: BTreeMap<(Kind, String), usize>,
    mock: BTreeMap<(Kind, String), usize>,
}

impl Identities {
    /// Whether two texts, equal but for their things, name the same ones; things that neither side has named become a pair.
    pub(super) fn agree(&mut self, real: &Normal, mock: &Normal) -> bool {
        let mut agree = true;
        for (real, mock) in real.same.iter().zip(&mock.same) {
            agree &= self.pair(real, mock);
        }
        agree
    }

    fn pair(&mut self, real: &Same, mock: &Same) -> bool {
        let key = |same: &Same| (same.kind, same.key.clone());
        match (self.real.get(&key(real)), self.mock.get(&key(mock))) {
            (Some(one), Some(other)) => one == other,
            (None, None) => {
                let number = self.pairs.len();
                self.real.insert(key(real), number);
                self.mock.insert(key(mock), number);
                self.pairs.push((real.clone(), mock.clone()));
                true
            }
            _ => false,
        }
    }

    /// What the mock calls this thing of real podman's.
    pub(super) fn mocks(&self, real: &Same) -> Option<&str> {
        let number = self.real.get(&(real.kind, real.key.clone()))?;
        self.pairs.get(*number).map(|(_, mock)| mock.key.as_str())
    }

    /// A text with the numbers of its things.
    pub(super) fn show(&self, text: &Normal, is_real: bool) -> String {
        let side = if is_real { &self.real } else { &self.mock };
        let mut shown = text.text.clone();
        for same in text.same.iter().rev() {
            let number = side.get(&(same.kind, same.key.clone()));
            let number = number.map_or("?".to_owned(), |number| (number + 1).to_string());
            let end = same.at.1.saturating_sub(1);
            shown.insert_str(end, &format!(" {number}"));
        }
        shown
    }
}
