//! `evenkeel state backups` and `evenkeel state restore --from`: what is there, and how it gets back.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::runtime::{Builder, LocalOptions};

use super::copies::{Copy, candidates};
use super::folder::Scratch;
use super::place::Place;
use super::sum::Summing;
use crate::clock::Stamp;
use crate::config::model::BackupPlace;
use crate::ledger::tools;

/// A copy that can't be read is passed over for the one before: its disk may have lost it. When so many can't, it is the place that is ill.
const MOST_UNREAD: usize = 3;

/// What was put in the place of the ledger.
#[derive(Debug)]
pub struct Restored {
    /// The copy.
    pub copy: Copy,
    /// Up to when it accounts for time; `None` = for none.
    pub until: Option<Stamp>,
    /// Where the ledger is that was there.
    pub aside: Option<PathBuf>,
    /// What was found out about copies that are newer, and are damaged or can't be read.
    pub damaged: Vec<String>,
}

/// The copies in a place, in the order of their instances and times.
///
/// # Errors
///
/// A sentence for people.
pub fn list(place: &BackupPlace) -> Result<Vec<Copy>, String> {
    on_a_runtime(async {
        let mut copies = Place::open(place)?.list(None).await?;
        copies.sort_by(|one, other| (&one.instance, one.made).cmp(&(&other.instance, other.made)));
        Ok(copies)
    })
}

/// Puts the newest copy of an instance (which has to be named where there are several) that was made no later than `at` in the place of the ledger
/// of a folder. A copy that is damaged, or can't be read, is passed over for the one before.
///
/// # Errors
///
/// A sentence for people; the folder's ledger is as it was.
pub fn restore(
    place: &BackupPlace,
    instance: Option<&str>,
    at: Option<Stamp>,
    folder: &Path,
) -> Result<Restored, String> {
    let wrong = |error: String| format!("nothing was restored from {place}: {error}");
    on_a_runtime(async {
        let from = Place::open(place).map_err(wrong)?;
        let found = from.list(None).await.map_err(wrong)?;
        let candidates = candidates(found, instance, at).map_err(wrong)?;
        std::fs::create_dir_all(folder).map_err(|error| wrong(format!("{}: {error}", folder.display())))?;
        let fetched = Scratch(folder.join(format!("ledger.fetched-{}.sqlite", std::process::id())));
        let (mut damaged, mut unread) = (Vec::new(), 0);
        for copy in candidates {
            match fetch_twice(&from, &copy, &fetched.0).await {
                Ok(Some(why)) => damaged.push(format!("{} is damaged: {why}", copy.key())),
                Ok(None) => {
                    let aside = tools::restore(&fetched.0, folder)?;
                    return Ok(Restored { copy, until: tools::until(&fetched.0)?, aside, damaged });
                }
                Err(why) => {
                    unread += 1;
                    damaged.push(format!("{} can't be read: {why}", copy.key()));
                    if unread == MOST_UNREAD {
                        break;
                    }
                }
            }
        }
        Err(wrong(format!("no copy is whole: {}", damaged.join("; "))))
    })
}

/// As [`fetch`], and once more where it can't be read.
async fn fetch_twice(from: &Place, copy: &Copy, to: &Path) -> Result<Option<String>, String> {
    match fetch(from, copy, to).await {
        Err(_) => fetch(from, copy, to).await,
        done => done,
    }
}

/// Writes a copy to a file. `Some` says what is wrong with it.
async fn fetch(from: &Place, copy: &Copy, to: &Path) -> Result<Option<String>, String> {
    let file = File::create(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let mut sum = Summing::new(file, copy.size);
    from.get(copy, &mut sum).await?;
    if !sum.is(copy) {
        return Ok(Some("its content is not what its name says".to_owned()));
    }
    Ok(tools::check(to)?.first().map(|finding| finding.text.clone()))
}

fn on_a_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // a name that is looked up keeps a thread, which must not keep this one
    runtime.shutdown_background();
    done
}
