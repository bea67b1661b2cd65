//! "Did you mean": the known name that looks most like another.

/// The known name that looks most like `name`; `None` where none is known.
pub(crate) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known.min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
}
