//! Random sequences of steps: the same seed gives the same case.
//!
//! ```text
//! seed ── dice ──▶ moves ── a step or a few ──▶ world: is it safe? ── yes ──▶ case
//!                    ▲                            │ what is there now
//!                    └────────────────────────────┘
//! ```
//! The world is a light model of what is there. It steers the moves to what is interesting, and refuses all whose outcome
//! hangs on timing: a look at a container that is about to end, a signal to an app that may not listen yet, a wait for
//! something that never comes. So a sequence comes to the same on the same podman each time. The model takes steps that
//! are written by hand as well: [`is_safe`] tells whether a shortened case still has this property.

mod argv;
mod dice;
mod judge;
mod judge_create;
mod judge_life;
mod judge_other;
mod moves;
mod moves_create;
mod moves_other;
mod world;

use std::ops::RangeInclusive;

use proptest::strategy::{NewTree, Strategy};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use self::dice::Dice;
use self::moves::Moves;
use self::world::{Expect, World};
use super::case::{Case, Step};
use super::shrink::Shorter;

/// How many steps a sequence has where nobody says another number.
pub const STEPS: RangeInclusive<usize> = 30..=40;

/// One sequence in so many loses power once: that costs as much as all its other steps.
const REBOOTS: usize = 20;

/// The case of this seed; its name is `random::SEED`.
pub fn case(seed: u64, steps: RangeInclusive<usize>) -> Case {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    Case {
        name: format!("random::{seed}"),
        needs: Vec::new(),
        steps: draw(&mut rng, steps),
    }
}

/// Whether a case comes to the same each time, as far as the model knows.
pub fn is_safe(case: &Case) -> bool {
    let mut world = World::default();
    case.needs.is_empty()
        && case.steps.iter().all(|step| world.take(step).is_ok())
        && world.is_settled()
}

/// Safe sequences, for proptest; they shrink by leaving out steps.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// How many steps.
    pub steps: RangeInclusive<usize>,
}

impl Strategy for Sequences {
    type Tree = Shorter;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let steps = draw(runner.rng(), self.steps.clone());
        Ok(Shorter::new(
            Case {
                name: "random::sequence".into(),
                needs: Vec::new(),
                steps,
            },
            is_safe,
        ))
    }
}

fn draw(rng: &mut TestRng, steps: RangeInclusive<usize>) -> Vec<Step> {
    let mut world = World::default();
    let mut taken: Vec<Step> = Vec::new();
    let span = steps.end().saturating_sub(*steps.start()) + 1;
    let wanted = steps.start() + Dice(rng).below(span);
    let mut reboot_at = (Dice(rng).below(REBOOTS) == 0).then_some(wanted / 2);
    while taken.len() < wanted {
        if reboot_at.is_some_and(|at| taken.len() >= at)
            && extend(&mut world, &mut taken, &["reboot".into()], true)
        {
            reboot_at = None;
            continue;
        }
        let lines = Moves {
            dice: Dice(rng),
            world: &world,
        }
        .draw();
        // What is refused is easier to find than what is not.
        let refused_too = !Dice(rng).chance(45);
        if !extend(&mut world, &mut taken, &lines, refused_too) {
            continue;
        }
        settle(&mut world, &mut taken, rng);
    }
    taken
}

/// Takes a move, if all of it is safe, and its last step not refused or that does not matter.
fn extend(world: &mut World, taken: &mut Vec<Step>, lines: &[String], refused_too: bool) -> bool {
    let mut after = world.clone();
    let steps: Result<Vec<Step>, _> = lines.iter().map(|line| Step::parse(line)).collect();
    let Ok(steps) = steps else { return false };
    let said: Result<Vec<Expect>, _> = steps.iter().map(|step| after.take(step)).collect();
    let Ok(said) = said else { return false };
    if !refused_too && said.last() == Some(&Expect::Refused) {
        return false;
    }
    *world = after;
    taken.extend(steps);
    true
}

/// Waits for all that is about to end.
fn settle(world: &mut World, taken: &mut Vec<Step>, rng: &mut TestRng) {
    let ending: Vec<String> = world.ending().map(str::to_owned).collect();
    for name in ending {
        if Dice(rng).chance(40) {
            extend(world, taken, &[format!("podman wait {name}")], true);
        }
        extend(world, taken, &[format!("until {name} exited")], true);
    }
}

#[cfg(test)]
mod tests;
