//! Several labs that share the work.

use std::collections::VecDeque;
use std::time::Duration;

use super::case::Case;
use super::in_lab::InLab;
use super::player::{PlayError, Side};
use super::transcript::Transcript;
use crate::image::Base;

/// Labs of one base that play side by side.
#[derive(Debug)]
pub struct Shards {
    labs: Vec<InLab>,
}

impl Shards {
    /// Starts so many labs, at least one.
    ///
    /// # Errors
    /// As of [`InLab::start`], for the first that does not start.
    pub async fn start(base: &Base, count: usize, limit: Duration) -> Result<Self, PlayError> {
        let starting = (0..count.max(1)).map(|_| InLab::start(base, limit));
        let labs = futures_util::future::try_join_all(starting).await?;
        Ok(Self { labs })
    }

    /// Removes all labs.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn stop(self) -> Result<(), PlayError> {
        for lab in self.labs {
            lab.stop().await?;
        }
        Ok(())
    }
}

impl Side for Shards {
    /// Transcripts come as they are done, not in the order of the cases.
    async fn play(
        &mut self,
        cases: &[Case],
        on: &mut (dyn FnMut(Transcript) + Send),
    ) -> Result<(), PlayError> {
        let batches = std::sync::Mutex::new(batches(cases, self.labs.len()));
        let on = std::sync::Mutex::new(on);
        let next = || batches.lock().ok()?.pop_front();
        let labs = self.labs.iter_mut().map(async |lab| {
            while let Some(batch) = next() {
                let mut on = |transcript| {
                    if let Ok(mut on) = on.lock() {
                        on(transcript);
                    }
                };
                lab.play(batch, &mut on).await?;
            }
            Ok::<(), PlayError>(())
        });
        futures_util::future::try_join_all(labs).await?;
        Ok(())
    }

    fn version(&self) -> &str {
        self.labs.first().map_or("", InLab::version)
    }
}

/// Parts that are played at one go: small enough that no lab is left alone at the end.
fn batches(cases: &[Case], labs: usize) -> VecDeque<&[Case]> {
    let size = match labs {
        0 | 1 => cases.len(),
        labs => cases.len().div_ceil(labs * 6),
    };
    cases.chunks(size.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_one_batch() {
        for count in [0, 1, 2, 5, 100] {
            let cases: Vec<Case> = (0..count)
                .map(|number| Case {
                    name: format!("a::{number}"),
                    needs: Vec::new(),
                    steps: Vec::new(),
                })
                .collect();
            for labs in [1, 2, 3, 8] {
                let batches = batches(&cases, labs);
                let all: Vec<Case> = batches.iter().copied().flatten().cloned().collect();
                assert_eq!(all, cases);
                let wanted = if labs == 1 { 1 } else { labs };
                assert!(
                    batches.len() >= wanted.min(count),
                    "{labs} labs, {count} cases"
                );
            }
        }
    }
}
