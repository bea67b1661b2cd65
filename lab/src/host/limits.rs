//! Hard resource limits of this process, from `/proc/self/limits`, and the type of every limit.

use std::fmt;

use super::error::{Fact, ParseError};
use super::files::Files;

/// An upper bound. Ordered: every number is below `Unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// At most this many.
    At(u64),
    /// No bound at all.
    Unlimited,
}

impl Limit {
    /// Reads a number or the kernel's word for no bound, `unlimited` (limits) or `max` (cgroups).
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        match text.trim() {
            "unlimited" | "max" => Ok(Self::Unlimited),
            number => number
                .parse()
                .map(Self::At)
                .map_err(|_| ParseError::malformed("a limit", number)),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(number) => number.fmt(f),
            Self::Unlimited => "unlimited".fmt(f),
        }
    }
}

/// Hard limits of this process, which the processes it starts cannot exceed without `CAP_SYS_RESOURCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardLimits {
    /// `RLIMIT_NOFILE`: open files of one process.
    pub open_files: Limit,
    /// `RLIMIT_NPROC`: processes and threads of one user.
    pub processes: Limit,
}

impl HardLimits {
    const FILE: &'static str = "/proc/self/limits";

    /// Reads the hard limits of this process.
    pub fn read(files: &Files) -> Fact<Self> {
        files.parse(Self::FILE, Self::parse)
    }

    /// Parses the text of `/proc/PID/limits`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self {
            open_files: hard(text, "Max open files")?,
            processes: hard(text, "Max processes")?,
        })
    }
}

/// The hard limit on the line that starts with `name`: the second column after it.
fn hard(text: &str, name: &'static str) -> Result<Limit, ParseError> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|columns| columns.split_whitespace().nth(1))
        .ok_or(ParseError::Missing(name))
        .and_then(Limit::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEDORA: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max processes             62841                unlimited            processes 
Max open files            1024                 524288               files     
";

    #[test]
    fn hard_limits_are_read_not_soft_ones() {
        assert_eq!(
            HardLimits::parse(FEDORA),
            Ok(HardLimits {
                open_files: Limit::At(524_288),
                processes: Limit::Unlimited,
            })
        );
    }

    #[test]
    fn a_missing_line_is_named() {
        assert_eq!(
            HardLimits::parse("Max processes  1 2 processes"),
            Err(ParseError::Missing("Max open files"))
        );
    }

    #[test]
    fn every_number_is_below_unlimited() {
        assert!(Limit::At(u64::MAX) < Limit::Unlimited);
        assert_eq!(Limit::parse("max\n"), Ok(Limit::Unlimited));
        assert!(Limit::parse("-1").is_err());
    }
}
