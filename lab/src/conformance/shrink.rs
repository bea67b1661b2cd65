//! From a case that fails to a small one that still does.
//!
//! Steps are left out, halves first, then ever smaller runs of them, then single words of the commands; all over again
//! until nothing more can go. Every run of the real side costs seconds, so no case is tried twice, and none that is not
//! valid.

use std::collections::BTreeSet;

use proptest::strategy::ValueTree;

use super::case::{Case, Step};

/// A search for a shorter case, as proptest wants it: [`Shorter::simplify`] after the current case failed,
/// [`Shorter::complicate`] after it did not.
#[derive(Debug)]
pub struct Shorter {
    /// The shortest that is known to fail.
    best: Case,
    /// What is being tried.
    trial: Option<Case>,
    is_valid: fn(&Case) -> bool,
    /// Guesses that are tried before anything else; the last one first.
    guesses: Vec<Case>,
    place: Place,
    /// Something went since the last time that all was tried.
    progressed: bool,
    tried: BTreeSet<Vec<String>>,
}

/// What is left out next.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// `count` steps from `at` on.
    Steps { at: usize, count: usize },
    /// `count` words from `word` on of the step `at`.
    Words {
        at: usize,
        word: usize,
        count: usize,
    },
    /// Nothing.
    End,
}

impl Shorter {
    /// Begins with a case that fails. Only cases that are valid are tried.
    pub fn new(case: Case, is_valid: fn(&Case) -> bool) -> Self {
        let count = case.steps.len().div_ceil(2).max(1);
        Self {
            tried: BTreeSet::from([lines(&case)]),
            best: case,
            trial: None,
            is_valid,
            guesses: Vec::new(),
            place: Place::Steps { at: 0, count },
            progressed: false,
        }
    }

    /// As [`Shorter::new`], where it is known which step, counted from 0, came out wrong: what follows it, and what has
    /// nothing to do with its operands, is probably not needed.
    pub fn at_step(case: Case, is_valid: fn(&Case) -> bool, at: usize) -> Self {
        let mut search = Self::new(case, is_valid);
        let Some(wrong) = search.best.steps.get(at) else {
            return search;
        };
        let words: Vec<String> = words(wrong)
            .iter()
            .filter(|word| !word.starts_with('-') && !word.starts_with('/'))
            .cloned()
            .collect();
        let related = |step: &Step| words.iter().skip(1).any(|word| mentions(step, word));
        let until = |end: usize, keep: &dyn Fn(&Step) -> bool| Case {
            steps: search.best.steps[..end]
                .iter()
                .filter(|step| keep(step))
                .cloned()
                .collect(),
            ..search.best.clone()
        };
        let ends: Vec<usize> = (at + 1..=search.best.steps.len().min(at + 3)).collect();
        let all = ends.iter().rev().map(|end| until(*end, &|_| true));
        let few = ends.iter().rev().map(|end| until(*end, &related));
        search.guesses = all.chain(few).collect();
        search
    }

    /// The shortest case that is known to fail.
    pub fn best(&self) -> &Case {
        &self.best
    }

    fn next(&mut self) -> bool {
        loop {
            let Some(trial) = self.guesses.pop().or_else(|| self.shortened()) else {
                self.trial = None;
                return false;
            };
            let is_shorter = weight(&trial) < weight(&self.best);
            if is_shorter && (self.is_valid)(&trial) && self.tried.insert(lines(&trial)) {
                self.trial = Some(trial);
                return true;
            }
        }
    }

    /// The next case without something, and a step forward in what is left out.
    fn shortened(&mut self) -> Option<Case> {
        loop {
            let steps = &self.best.steps;
            match self.place {
                Place::Steps { at, count } if at < steps.len() => {
                    self.place = Place::Steps {
                        at: at + count,
                        count,
                    };
                    let mut case = self.best.clone();
                    case.steps.drain(at..steps.len().min(at + count));
                    return Some(case);
                }
                Place::Steps { count, .. } if count > 1 => {
                    self.place = Place::Steps {
                        at: 0,
                        count: count.div_ceil(2),
                    };
                }
                Place::Steps { .. } => {
                    self.place = Place::Words {
                        at: 0,
                        word: 1,
                        count: 2,
                    }
                }
                Place::Words { at, word, count } if at < steps.len() => {
                    let Some(Step::Podman(argv)) =
                        steps.get(at).filter(|step| words(step).len() > word)
                    else {
                        self.place = Place::Words {
                            at: at + 1,
                            word: 1,
                            count: 2,
                        };
                        continue;
                    };
                    self.place = match count {
                        2 => Place::Words { at, word, count: 1 },
                        _ => Place::Words {
                            at,
                            word: word + 1,
                            count: 2,
                        },
                    };
                    if word + count > argv.len() {
                        continue;
                    }
                    let mut argv = argv.clone();
                    argv.drain(word..word + count);
                    let mut case = self.best.clone();
                    case.steps[at] = Step::Podman(argv);
                    return Some(case);
                }
                Place::Words { .. } if self.progressed => {
                    self.progressed = false;
                    self.place = Place::Steps { at: 0, count: 1 };
                }
                Place::Words { .. } | Place::End => {
                    self.place = Place::End;
                    return None;
                }
            }
        }
    }
}

impl ValueTree for Shorter {
    type Value = Case;

    fn current(&self) -> Case {
        self.trial.as_ref().unwrap_or(&self.best).clone()
    }

    fn simplify(&mut self) -> bool {
        if let Some(failed) = self.trial.take() {
            // What stood behind the part that went is now where that part was.
            self.place = match self.place {
                Place::Steps { at, count } => Place::Steps {
                    at: at.saturating_sub(count),
                    count,
                },
                Place::Words { at, word, count: 2 } => Place::Words {
                    at,
                    word: word.saturating_sub(1).max(1),
                    count: 2,
                },
                Place::Words { at, word, .. } => Place::Words { at, word, count: 2 },
                Place::End => Place::End,
            };
            self.best = failed;
            self.progressed = true;
        }
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.trial = None;
        self.next()
    }
}

/// Looks for the shortest case that still fails, with so many runs at most.
///
/// # Errors
/// What `still_fails` cannot do ends the search.
pub async fn shrink<E>(
    mut search: Shorter,
    runs: usize,
    mut still_fails: impl AsyncFnMut(&Case) -> Result<bool, E>,
) -> Result<Case, E> {
    let mut goes_on = search.simplify();
    for _ in 0..runs {
        if !goes_on {
            break;
        }
        goes_on = if still_fails(&search.current()).await? {
            search.simplify()
        } else {
            search.complicate()
        };
    }
    Ok(search.best)
}

fn words(step: &Step) -> Vec<String> {
    match step {
        Step::Podman(argv) => argv.clone(),
        other => shell_words::split(&other.to_string()).unwrap_or_default(),
    }
}

fn mentions(step: &Step, word: &str) -> bool {
    words(step)
        .iter()
        .any(|other| other == word || other.split(['=', ':']).any(|part| part == word))
}

fn lines(case: &Case) -> Vec<String> {
    case.steps.iter().map(Step::to_string).collect()
}

fn weight(case: &Case) -> usize {
    case.steps.iter().map(|step| words(step).len() + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::{Shorter, shrink};
    use crate::conformance::case::{Case, Step};
    use crate::conformance::random;

    fn case(lines: &[&str]) -> Case {
        Case {
            name: "test".into(),
            needs: Vec::new(),
            steps: lines
                .iter()
                .map(|line| Step::parse(line).expect("a step"))
                .collect(),
        }
    }

    async fn shrunk(search: Shorter, fails: fn(&Case) -> bool) -> (Vec<String>, usize) {
        let mut runs = 0;
        let small = shrink(search, 1000, async |case| {
            runs += 1;
            Ok::<_, std::convert::Infallible>(fails(case))
        })
        .await
        .expect("nothing fails but cases");
        (super::lines(&small), runs)
    }

    fn has(case: &Case, line: &str) -> bool {
        case.steps
            .iter()
            .any(|step| step.to_string().contains(line))
    }

    #[tokio::test]
    async fn all_goes_that_the_failure_does_not_need() {
        let long: Vec<String> = (0..60)
            .map(|n| format!("podman container exists x{n}"))
            .collect();
        let mut long: Vec<&str> = long.iter().map(String::as_str).collect();
        long.insert(
            11,
            "podman create --label app=x --name a --env A=1 image serve 8080",
        );
        long.insert(47, "podman rm -f a b");
        let search = Shorter::new(case(&long), |_| true);
        let (small, runs) = shrunk(search, |case| {
            has(case, "--name a") && has(case, "podman rm")
        })
        .await;
        assert_eq!(small, ["podman create --name a", "podman rm"]);
        assert!(runs < 80, "{runs} runs");
    }

    #[tokio::test]
    async fn a_known_step_saves_runs() {
        let long: Vec<String> = (0..60)
            .map(|n| format!("podman container exists x{n}"))
            .collect();
        let mut long: Vec<&str> = long.iter().map(String::as_str).collect();
        long.insert(11, "podman create --name a");
        long.insert(47, "podman rm a");
        let fails = |case: &Case| has(case, "--name a") && has(case, "rm a");
        let (blind, many) = shrunk(Shorter::new(case(&long), |_| true), fails).await;
        let (seen, few) = shrunk(Shorter::at_step(case(&long), |_| true, 47), fails).await;
        assert_eq!(blind, seen);
        assert!(few < 15 && few < many, "{few} of {many} runs");
    }

    #[tokio::test]
    async fn what_is_tried_is_valid() {
        let seeds = (0..200).map(|seed| random::case(seed, random::STEPS));
        for long in seeds.filter(|long| has(long, "until")).take(20) {
            let search = Shorter::new(long, random::is_safe);
            let small = shrink(search, 1000, async |case| {
                assert!(random::is_safe(case), "{case:?}");
                Ok::<_, std::convert::Infallible>(has(case, "until"))
            })
            .await
            .expect("nothing fails but cases");
            // What is waited for must have been started.
            assert!(
                (2..=8).contains(&small.steps.len()),
                "{:?}",
                super::lines(&small)
            );
        }
    }

    #[tokio::test]
    async fn nothing_is_tried_twice() {
        let long = case(&["podman rm a"; 9]);
        let mut tried = Vec::new();
        let small = shrink(Shorter::new(long, |_| true), 1000, async |case| {
            assert!(!tried.contains(&case.steps), "{case:?}");
            tried.push(case.steps.clone());
            Ok::<_, std::convert::Infallible>(case.steps.len() > 3)
        })
        .await
        .expect("nothing fails but cases");
        assert_eq!(small.steps.len(), 4);
    }
}
