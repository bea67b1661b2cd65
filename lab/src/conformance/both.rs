//! Cases on both sides: played, compared, and shortened where they differ.

use std::collections::BTreeMap;

use super::case::Case;
use super::compare::compare;
use super::divergence::{Divergence, Place};
use super::exceptions::Exceptions;
use super::player::{PlayError, Side};
use super::random;
use super::report::Report;
use super::shrink::{Shorter, shrink};
use super::transcript::Transcript;

/// Plays cases on both sides at the same time. Both transcripts of each case, in the order of the cases.
///
/// # Errors
/// One side cannot play.
pub async fn play(
    real: &mut impl Side,
    mock: &mut impl Side,
    cases: &[Case],
    on: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<(Transcript, Transcript)>, PlayError> {
    let mut by_real = BTreeMap::new();
    let mut by_mock = BTreeMap::new();
    let mut of_real = |transcript: Transcript| {
        on(&transcript.case);
        by_real.insert(transcript.case.clone(), transcript);
    };
    let mut of_mock = |transcript: Transcript| {
        by_mock.insert(transcript.case.clone(), transcript);
    };
    tokio::try_join!(
        real.play(cases, &mut of_real),
        mock.play(cases, &mut of_mock)
    )?;
    // A case that one side left out must not count as one that agrees.
    let pairs = cases.iter().map(|case| {
        let take = |played: &mut BTreeMap<String, Transcript>| {
            played.remove(&case.name).ok_or_else(|| PlayError::LeftOut {
                case: case.name.clone(),
            })
        };
        Ok((take(&mut by_real)?, take(&mut by_mock)?))
    });
    pairs.collect()
}

/// Compares what both sides did. `all`: these are all cases there are, so that an exception that none of them needed is a
/// divergence.
pub fn report(
    version: &str,
    pairs: &[(Transcript, Transcript)],
    exceptions: &Exceptions,
    all: bool,
) -> Report {
    let mut report = Report::new(version);
    for (real, mock) in pairs {
        report.add(real, mock, exceptions);
    }
    if all {
        report.finish(exceptions);
    }
    report
}

/// The shortest case, of those that so many runs find, in which the first of these divergences still shows. The
/// divergences are all of this case.
///
/// # Errors
/// One side cannot play.
pub async fn shortest(
    real: &mut impl Side,
    mock: &mut impl Side,
    case: &Case,
    divergences: &[Divergence],
    exceptions: &Exceptions,
    runs: usize,
) -> Result<Case, PlayError> {
    let step = divergences
        .iter()
        .find(|it| matches!(it.place, Place::Step(..)));
    let Some(first) = step.or(divergences.first()) else {
        return Ok(case.clone());
    };
    let search = match first.place {
        Place::Step(number, _) => {
            Shorter::at_step(case.clone(), random::is_safe, number.saturating_sub(1))
        }
        Place::Look(_) | Place::Case => Shorter::new(case.clone(), random::is_safe),
    };
    let version = real.version().to_owned();
    shrink(search, runs, async |trial| {
        let pairs = play(real, mock, std::slice::from_ref(trial), &mut |_| {}).await?;
        let found = pairs
            .iter()
            .flat_map(|(real, mock)| compare(real, mock, &version, exceptions));
        Ok(found.into_iter().any(|it| is_same(&it, first)))
    })
    .await
}

/// Whether two divergences are probably one: the same of the same command differs.
fn is_same(one: &Divergence, other: &Divergence) -> bool {
    let command = |place: &Place| match place {
        Place::Step(_, line) => line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        Place::Look(look) => look.clone(),
        Place::Case => String::new(),
    };
    // Indexes and names of containers may change while a case gets shorter.
    let what = |it: &Divergence| it.what.split('[').next().unwrap_or_default().to_owned();
    command(&one.place) == command(&other.place) && what(one) == what(other)
}

/// A case as it stands in the corpus.
pub fn toml(case: &Case) -> String {
    let name = case.name.replace("::", "_");
    let steps: String = case
        .steps
        .iter()
        .map(|step| {
            let line = step.to_string().replace("'$FIXTURE'", "$FIXTURE");
            format!("    {},\n", toml::Value::String(line))
        })
        .collect();
    format!("[[case]]\nname = \"{name}\"\nsteps = [\n{steps}]\n")
}

#[cfg(test)]
mod tests {
    use super::{play, report, shortest, toml};
    use crate::conformance::case::{Case, Step, corpus};
    use crate::conformance::exceptions::Exceptions;
    use crate::conformance::player::{PlayError, Side};
    use crate::conformance::random;
    use crate::conformance::transcript::{Outcome, Played, Transcript};

    /// Says `0` to everything, but for steps with this word.
    struct Parrot {
        wrong: &'static str,
        runs: usize,
    }

    impl Side for Parrot {
        async fn play(
            &mut self,
            cases: &[Case],
            on: &mut (dyn FnMut(Transcript) + Send),
        ) -> Result<(), PlayError> {
            for case in cases {
                self.runs += 1;
                let played = case.steps.iter().map(|step| Played {
                    step: step.clone(),
                    outcome: Outcome {
                        code: i32::from(
                            matches!(step, Step::Podman(argv) if argv.iter().any(|word| word == self.wrong)),
                        ),
                        ..Outcome::default()
                    },
                });
                on(Transcript {
                    case: case.name.clone(),
                    played: played.collect(),
                    after: Default::default(),
                });
            }
            Ok(())
        }

        fn version(&self) -> &str {
            "5.4.2"
        }
    }

    const fn parrot(wrong: &'static str) -> Parrot {
        Parrot { wrong, runs: 0 }
    }

    #[tokio::test]
    async fn what_differs_is_found_and_gets_short() {
        let exceptions = Exceptions::default();
        let case = (0..100)
            .map(|seed| random::case(seed, random::STEPS))
            .find(|case| {
                let late = case.steps.iter().skip(20);
                late.map(Step::to_string)
                    .any(|line| line.starts_with("podman volume create"))
            })
            .expect("one of a hundred makes a volume");
        let (mut real, mut mock) = (parrot("nothing"), parrot("volume"));
        let cases = [case];
        let pairs = play(&mut real, &mut mock, &cases, &mut |_| {})
            .await
            .expect("both play");
        let report = report("5.4.2", &pairs, &exceptions, false);
        assert!(!report.agrees());
        let divergences = report.divergences();
        let small = shortest(
            &mut real,
            &mut mock,
            &cases[0],
            divergences,
            &exceptions,
            100,
        )
        .await
        .expect("both play");
        assert_eq!(small.steps.len(), 1, "{}", toml(&small));
        assert!(real.runs < 30, "{} runs", real.runs);
        assert_eq!(real.runs, mock.runs);
    }

    /// Plays nothing and says that all is well.
    struct Idle;

    impl Side for Idle {
        async fn play(
            &mut self,
            _: &[Case],
            _: &mut (dyn FnMut(Transcript) + Send),
        ) -> Result<(), PlayError> {
            Ok(())
        }

        fn version(&self) -> &str {
            "5.4.2"
        }
    }

    #[tokio::test]
    async fn a_case_that_one_side_leaves_out_is_no_agreement() {
        let cases = [random::case(0, 5..=5)];
        let left_out = play(&mut parrot("rm"), &mut Idle, &cases, &mut |_| {}).await;
        let Err(PlayError::LeftOut { case }) = left_out else {
            panic!("{left_out:?}");
        };
        assert_eq!(case, cases[0].name);
    }

    #[tokio::test]
    async fn the_same_twice_agrees() {
        let cases: Vec<_> = (0..3).map(|seed| random::case(seed, 5..=5)).collect();
        let (mut real, mut mock) = (parrot("rm"), parrot("rm"));
        let pairs = play(&mut real, &mut mock, &cases, &mut |_| {})
            .await
            .expect("both play");
        assert_eq!(pairs.len(), 3);
        assert!(report("5.4.2", &pairs, &Exceptions::default(), false).agrees());
    }

    #[test]
    fn a_case_is_written_as_the_corpus_is_read() {
        let case = random::case(3, random::STEPS);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("found.toml"), toml(&case)).expect("a file");
        let read = corpus(folder.path()).expect("a corpus");
        assert_eq!(read[0].name, "found::random_3");
        assert_eq!(read[0].steps, case.steps);
    }
}
