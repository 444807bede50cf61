//! What people say of an attempt: they approve, refuse or stop it, or want it back.

use super::Coordinator;
use super::job::Job;
use super::underway::{Stage, Underway};
use crate::clock::Moment;
use crate::recover::Word;
use crate::recover::strategy;

impl Coordinator {
    /// A person says something of an attempt.
    ///
    /// # Errors
    ///
    /// Why that can't be done, in a sentence for people.
    pub fn say(&mut self, word: Word, attempt: i64, who: &str) -> Result<(), String> {
        match word {
            Word::Approve => self.approve(attempt, who),
            Word::Refuse => self.refuse(attempt, who),
            Word::Stop => self.stop(attempt, who),
            Word::Undo => self.undo(attempt, who),
        }
    }

    pub(super) fn approve(&mut self, attempt: i64, who: &str) -> Result<(), String> {
        let underway = self.waiting(attempt)?;
        if let Some(brake) = &underway.braked {
            return Err(format!("attempt {attempt} can't begin now: {brake}"));
        }
        underway.job.word = Some((Word::Approve, who.to_owned()));
        Ok(())
    }

    pub(super) fn refuse(&mut self, attempt: i64, who: &str) -> Result<(), String> {
        self.waiting(attempt)?.job.word = Some((Word::Refuse, who.to_owned()));
        Ok(())
    }

    pub(super) fn stop(&mut self, attempt: i64, who: &str) -> Result<(), String> {
        let underway = self.find(attempt).ok_or_else(|| format!("attempt {attempt} is not under way"))?;
        underway.job.word = Some((Word::Stop, who.to_owned()));
        Ok(())
    }

    pub(super) fn undo(&mut self, attempt: i64, who: &str) -> Result<(), String> {
        if let Some(held) = self.held.iter_mut().find(|held| held.job.id() == attempt) {
            if held.job.runs.is_some() {
                return Err(format!("attempt {attempt} is being taken back already"));
            }
            return want_back(&mut held.job, who);
        }
        let underway =
            self.find(attempt).ok_or_else(|| format!("attempt {attempt} is neither under way nor in force"))?;
        match underway.stage {
            Stage::Undoing { .. } | Stage::Killed { .. } => {
                Err(format!("attempt {attempt} is being taken back already"))
            }
            _ if underway.job.record.dry_run => Err(format!("attempt {attempt} is a dry run: nothing was done")),
            _ if underway.is_before_the_act() => {
                Err(format!("attempt {attempt} has done nothing yet; it can be stopped"))
            }
            _ => want_back(&mut underway.job, who),
        }
    }

    fn find(&mut self, attempt: i64) -> Option<&mut Underway> {
        self.underway.iter_mut().find(|underway| underway.job.id() == attempt)
    }

    fn waiting(&mut self, attempt: i64) -> Result<&mut Underway, String> {
        let underway = self.find(attempt).ok_or_else(|| format!("attempt {attempt} is not under way"))?;
        let waits = matches!(underway.stage, Stage::Proposed { .. }) && underway.job.word.is_none();
        if waits { Ok(underway) } else { Err(format!("attempt {attempt} does not wait for approval")) }
    }
}

fn want_back(job: &mut Job, who: &str) -> Result<(), String> {
    if strategy::of(&job.plan).undo(&job.case(Moment::NEVER)).is_empty() {
        let (id, name) = (job.id(), &job.plan.name);
        return Err(format!("attempt {id} can't be taken back: the configuration gives {name} no `undo`"));
    }
    job.word = Some((Word::Undo, who.to_owned()));
    Ok(())
}
