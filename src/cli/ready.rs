//! `evenkeel ready`: whether the running proxy serves, as an exit code. It is what keepalived's `vrrp_script` runs.
//!
//! keepalived starts a script once a second at most, which is too seldom to move an address within half a second. So with `--for` one run
//! goes on asking, ten times a second, and ends at once when the answer is no. The weight is too fine for an exit code; it goes into a file
//! that keepalived watches (`track_file`), in steps, so that two instances that see nearly the same have the same priority.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;

use super::ask::{AdminClient, AdminOptions};
use super::{fail, note, print};
use crate::clock::parse_duration;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause before a question is put again that had no answer: a machine that is busy for a moment is no dead one.
const AGAIN: Duration = Duration::from_millis(20);

/// The width of a step.
const STEP: i32 = 10;

/// How far below its step the weight has to be before the step goes down.
const SLACK: i32 = 5;

/// `evenkeel ready`
#[derive(Debug, Args)]
pub(super) struct Ready {
    /// Go on asking for so long, ten times a second, and end at the first answer that is no
    #[arg(long = "for", value_name = "TIME", default_value = "0s", value_parser = span)]
    span: Duration,
    /// How long an answer may take; one that takes longer, twice in a row, is no
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = span)]
    timeout: Duration,
    /// Keep the weight in this file, in steps of 10: the `track_file` of keepalived
    #[arg(long, value_name = "FILE")]
    track_file: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminOptions,
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a time is such as 250ms or 1s".to_owned())
}

pub(super) fn run(Ready { span, timeout, track_file, admin }: &Ready) -> ExitCode {
    let client = match admin.client() {
        Ok(client) => client,
        Err(why) => return fail(&why),
    };
    let until = Instant::now() + *span;
    loop {
        let asked = weight(&client, *timeout).or_else(|_| {
            sleep(AGAIN);
            weight(&client, *timeout)
        });
        let weight = match asked {
            Ok(Ok(weight)) => weight,
            Ok(Err(why)) | Err(why) => return fail(&why),
        };
        if let Some(file) = track_file {
            track(file, weight);
        }
        if Instant::now() + PAUSE > until {
            return print(&format!("ready, weight {weight}\n"));
        }
        sleep(PAUSE);
    }
}

/// The weight of an instance that is ready; `Ok(Err(_))` = it says that it is not, `Err(_)` = it says nothing.
fn weight(client: &AdminClient, timeout: Duration) -> Result<Result<i32, String>, String> {
    let answer = client.ask_once("/readyz?weight", None, timeout)?;
    let weight = answer.body["weight"].as_i64().and_then(|weight| i32::try_from(weight).ok());
    match (answer.status, weight) {
        (200, Some(weight)) => Ok(Ok(weight)),
        (503, _) => {
            Ok(Err(format!("not ready: {}", answer.body["reasons"][0].as_str().unwrap_or("no reason is given"))))
        }
        (status, _) => Err(format!("{} is not the admin address of Evenkeel (status {status})", client.address)),
    }
}

/// Writes the step of a weight to the file, where it is another one than before. An address must not move because a file can't be written,
/// so that is only said.
fn track(file: &Path, weight: i32) {
    let before = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
    let step = step(before, weight);
    if before != Some(step)
        && let Err(error) = std::fs::write(file, format!("{step}\n"))
    {
        note(&format!("the weight can't be written to {}: {error}", file.display()));
    }
}

/// The step of a weight, after the step `before`: up when the next one is reached, down only when the weight is clearly below.
fn step(before: Option<i32>, weight: i32) -> i32 {
    let lower = weight / STEP * STEP;
    match before {
        Some(before) if (0..=100).contains(&before) && weight < before + STEP && weight >= before - SLACK => before,
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_up_when_it_is_reached_and_down_when_it_is_clearly_missed() {
        assert_eq!(step(None, 97), 90);
        let mut seen = None;
        let mut steps = Vec::new();
        for weight in [100, 96, 95, 94, 99, 100, 84, 89, 90, 0, 9, 10] {
            seen = Some(step(seen, weight));
            steps.extend(seen);
        }
        assert_eq!(steps, [100, 100, 100, 90, 90, 100, 80, 80, 90, 0, 0, 10]);
        assert_eq!(step(Some(-200), 100), 100, "what is no step of ours is not kept");
    }

    #[test]
    fn the_file_is_written_when_the_step_is_another_one() {
        let folder = std::env::temp_dir().join(format!("evenkeel-ready-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("weight");
        track(&file, 100);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "100\n");
        let written = std::fs::metadata(&file).unwrap().modified().unwrap();
        track(&file, 97);
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
        track(&file, 12);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "10\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
