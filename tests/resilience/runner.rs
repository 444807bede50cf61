//! Runs situations: as tests, in libtest's words and with the arguments of it that matter, or as the table.
//!
//! `cargo test --test resilience -- [FILTER...] [--exact] [--list] [--include-ignored] [--test-threads N]`, or `--table [FILTER...]`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::proxy::Peer;
use crate::report::Report;
use crate::situations::{ALL, EXPECTED_TO_PASS, Setting, Situation};

/// Situations at a time, as tests. They mostly wait.
const THREADS: usize = 3;

/// What was asked for.
#[derive(Debug, Default)]
struct Arguments {
    filters: Vec<String>,
    exact: bool,
    list: bool,
    all: bool,
    table: bool,
    threads: Option<usize>,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Self {
        let mut parsed = Self::default();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word.split_once('=').map_or(word, |(option, _)| option) {
                "--exact" => parsed.exact = true,
                "--list" => parsed.list = true,
                "--ignored" | "--include-ignored" => parsed.all = true,
                "--table" => parsed.table = true,
                "--test-threads" => {
                    let value = word.split_once('=').map(|(_, value)| value).or_else(|| words.next());
                    parsed.threads = value.and_then(|n| n.parse().ok());
                }
                // libtest's other options with a value
                "--skip" | "--format" | "--color" | "--logfile" | "-Z" if !word.contains('=') => drop(words.next()),
                option if option.starts_with('-') => {}
                _ => parsed.filters.push(word.to_owned()),
            }
        }
        parsed
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        self.filters.is_empty() || self.filters.iter().any(matches)
    }
}

/// Runs what the arguments ask for.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse(arguments);
    let wanted: Vec<&Situation> = ALL.iter().filter(|situation| arguments.wants(situation.name)).collect();
    let peer = match std::env::var("PEER").as_deref() {
        Ok("haproxy") => Peer::Haproxy,
        _ => Peer::Evenkeel,
    };
    if arguments.list {
        wanted.iter().for_each(|situation| println!("{}: test", situation.name));
        ExitCode::SUCCESS
    } else if arguments.table {
        table(&wanted, &Setting { full: true, peer })
    } else {
        tests(&wanted, &arguments, &Setting { full: false, peer })
    }
}

/// Plays a situation; a panic is a failure as well.
fn play(situation: &Situation, setting: &Setting) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| (situation.run)(setting))).unwrap_or_else(|_| Err("it panicked".to_owned()))
}

fn tests(wanted: &[&Situation], arguments: &Arguments, setting: &Setting) -> ExitCode {
    let begun = Instant::now();
    let is_expected = |situation: &&&Situation| arguments.all || EXPECTED_TO_PASS.contains(&situation.name);
    let (run, skipped): (Vec<&Situation>, Vec<&Situation>) = wanted.iter().partition(is_expected);
    println!("\nrunning {} tests", wanted.len());
    for situation in &skipped {
        println!("test {} ... skipped (not supported yet)", situation.name);
    }
    let failures = Mutex::new(Vec::new());
    let queue = Mutex::new(VecDeque::from(run.clone()));
    thread::scope(|scope| {
        for _ in 0..arguments.threads.unwrap_or(THREADS).max(1) {
            scope.spawn(|| {
                while let Some(situation) = { queue.lock().unwrap().pop_front() } {
                    let failure = verdict(&play(situation, setting));
                    println!("test {} ... {}", situation.name, if failure.is_some() { "FAILED" } else { "ok" });
                    failures.lock().unwrap().extend(failure.map(|why| format!("---- {} ----\n{why}", situation.name)));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    failures.iter().for_each(|failure| println!("\n{failure}"));
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        run.len() - failures.len(),
        failures.len(),
        skipped.len(),
        ALL.len() - wanted.len(),
        begun.elapsed().as_secs_f64()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Why a test fails, if it does. What depends on the machine's speed is not asserted.
fn verdict(outcome: &Result<Report, String>) -> Option<String> {
    let report = match outcome {
        Ok(report) => report,
        Err(why) => return Some(why.clone()),
    };
    let missed = report.figures.iter().filter(|figure| !figure.met && !figure.timing);
    let lines: Vec<String> = missed.map(|figure| format!("{}: {}", figure.required, figure.measured)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Prints the table, a situation as soon as it is over.
fn table(wanted: &[&Situation], setting: &Setting) -> ExitCode {
    let mut missed = 0;
    println!("| situation | required | measured | |\n|---|---|---|---|");
    for situation in wanted {
        match play(situation, setting) {
            Err(why) => {
                missed += 1;
                println!(
                    "| {} | | it does not run: {} | missed |",
                    situation.happens,
                    why.lines().next().unwrap_or_default()
                );
                eprintln!("{why}");
            }
            Ok(report) => {
                for (n, figure) in report.figures.iter().enumerate() {
                    missed += usize::from(!figure.met);
                    let (happens, word) =
                        (if n == 0 { situation.happens } else { "" }, if figure.met { "ok" } else { "missed" });
                    println!("| {happens} | {} | {} | {word} |", figure.required, figure.measured);
                }
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
