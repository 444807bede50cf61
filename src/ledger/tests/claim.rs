//! Two processes with one folder.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Not a test: the process that the next one starts. It keeps a ledger until it is killed.
#[test]
#[ignore = "is started by the test below"]
fn keeps_a_ledger() {
    let Ok(folder) = std::env::var("EVENKEEL_LEDGER_FOLDER") else { return };
    let (ledger, _) = start(Path::new(&folder));
    enter(&ledger, up("api", MIDNIGHT, 10));
    use std::io::Write as _;
    writeln!(std::io::stdout(), "it is kept").unwrap();
    let _ = std::io::stdin().lines().next();
    drop(ledger);
    // nobody listens any more to what the tests would say at their end
    std::process::exit(0);
}

/// A process that is no relative of this one: the shell between them has ended.
fn another(folder: &Path) -> (Child, u32) {
    let script = "\"$0\" ledger::tests::claim::keeps_a_ledger --exact --ignored --nocapture <&3 & echo pid $!";
    let mut child = Command::new("bash")
        .args(["-c", &format!("exec 3<&0; {script}; wait")])
        .arg(std::env::current_exe().unwrap())
        .env("EVENKEEL_LEDGER_FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pid = lines.find_map(|line| line.strip_prefix("pid ")?.parse().ok()).unwrap();
    assert!(lines.any(|line| line.contains("it is kept")));
    (child, pid)
}

#[test]
fn a_second_process_says_who_keeps_the_ledger_writes_nothing_and_goes_on_when_the_first_has_ended() {
    let folder = Folder::new();
    let (mut first, pid) = another(&folder);
    let (ledger, told) = start(&folder);
    assert!(!ledger.begin() && !ledger.is_kept());
    let all = told.all();
    assert!(
        matches!(&all[..], [Trouble::KeptElsewhere { by }] if by.contains(&format!("the process {pid} "))),
        "{all:?}"
    );
    ledger.enter(up("web", MIDNIGHT, 10)).unwrap();
    assert!(!ledger.keep(up("web", MIDNIGHT, 10), Duration::ZERO), "nobody is told that it was kept");
    assert_eq!(ledger.read().unwrap().services().unwrap().len(), 1, "what the first one keeps can be read");
    drop(first.stdin.take());
    first.wait().unwrap();
    while !ledger.begin() {
        std::thread::sleep(Duration::from_millis(10));
    }
    enter(&ledger, Batch { takes_over: true, ..up("api", MIDNIGHT.plus(10_000), 10) });
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 20_000);
    assert!(matches!(&told.all()[1..], [Trouble::WrittenAgain { .. }]), "{:?}", told.all());
}

#[test]
fn what_was_released_is_another_processs_to_keep() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("web", MIDNIGHT, 10));
    ledger.release();
    let (mut next, _) = another(&folder);
    enter(&ledger, up("web", MIDNIGHT.plus(10_000), 1));
    ledger.keep_alone();
    assert!(ledger.begin(), "what is left is written beside");
    drop(next.stdin.take());
    next.wait().unwrap();
}
