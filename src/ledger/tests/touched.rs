//! What others do with the files while a process writes them.

use std::time::Instant;

use super::*;
use crate::ledger::{Gap, GapReason, tools};

/// Enters a second, and waits until it is in the ledger that is in place then.
fn enter_and_find(ledger: &Ledger, from: Stamp) {
    ledger.enter(up("api", from, 1)).unwrap();
    assert!(ledger.flush(Duration::from_secs(60)));
    assert_eq!(of(&ledger.read().unwrap(), "api", from, from.plus(1000)).up, 1000);
}

fn all(ledger: &Ledger) -> Tally {
    of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY))
}

#[test]
fn a_log_that_is_deleted_while_it_is_written_is_told_and_costs_nothing() {
    for end in ["-wal", "-shm"] {
        let folder = Folder::new();
        let (ledger, told) = start(&folder);
        enter(&ledger, up("api", MIDNIGHT, 10));
        std::fs::remove_file(folder.join(format!("ledger.sqlite{end}"))).unwrap();
        enter_and_find(&ledger, MIDNIGHT.plus(10_000));
        assert!(
            matches!(&told.all()[..], [Trouble::NotWritten { why }] if why.contains("log was deleted")),
            "{:?}",
            told.all()
        );
        assert_eq!(all(&ledger).up, 11_000);
        drop(ledger);
        assert_eq!(tools::check(&folder.file()).unwrap(), []);
        assert_eq!(of(&Reader::open(&folder).unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 11_000);
    }
}

#[test]
fn a_file_that_is_emptied_or_overwritten_while_it_is_written_is_set_aside_at_once() {
    let damage: [fn(&mut Vec<u8>); 3] =
        [Vec::clear, |bytes| bytes.truncate(bytes.len() / 2 + 100), |bytes| bytes[..20_000].fill(0xff)];
    for spoil in damage {
        let folder = Folder::new();
        let (ledger, told) = start(&folder);
        // so much that the log is taken over into the file
        for n in 0..40 {
            enter(&ledger, up(&format!("s{n}"), MIDNIGHT, 600));
        }
        // by another process: closing the file here would drop the locks that SQLite holds on it
        let mut bytes = std::fs::read(copy(&folder)).unwrap();
        spoil(&mut bytes);
        std::fs::write(folder.join("spoilt"), &bytes).unwrap();
        run("cp", &[folder.join("spoilt"), folder.file()]);
        let begun = Instant::now();
        enter_and_find(&ledger, MIDNIGHT.plus(10_000_000));
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(matches!(&told.all()[..], [Trouble::SetAside { .. }]), "{:?}", told.all());
        assert_eq!(folder.named("damaged").iter().filter(|path| path.extension().unwrap() == "sqlite").count(), 1);
    }
}

#[test]
fn a_file_that_another_of_our_programs_has_written_is_no_damage() {
    let folder = Folder::new();
    let (ledger, told) = start(&folder);
    for n in 0..40 {
        enter(&ledger, up(&format!("s{n}"), MIDNIGHT, 600));
    }
    enter(&ledger, up("api", MIDNIGHT.plus(3 * DAY), 1));
    tools::prune(&folder, MIDNIGHT.plus(2 * DAY)).unwrap();
    enter(&ledger, up("api", MIDNIGHT.plus(3 * DAY + 1000), 1));
    assert!(matches!(&told.all()[..], [Trouble::Pruned { .. }]), "{:?}", told.all());
}

#[test]
fn a_folder_that_goes_and_comes_back_has_the_time_between_as_unknown() {
    let folder = Folder::new();
    let (state, gone) = (folder.join("state"), folder.join("gone"));
    let (ledger, told) = start(&state);
    enter(&ledger, up("api", MIDNIGHT, 10));
    std::fs::rename(&state, &gone).unwrap();
    for n in 10..14 {
        enter_and_find(&ledger, MIDNIGHT.plus(1000 * n));
    }
    let to = MIDNIGHT.plus(10_000);
    let moved = |from, to| Gap { from, to, why: GapReason::Moved };
    assert_eq!(
        ledger.read().unwrap().gaps(Stamp::default(), MIDNIGHT.plus(DAY)).unwrap(),
        [moved(Stamp::default(), to)]
    );
    std::fs::rename(&state, folder.join("between")).unwrap();
    std::fs::rename(&gone, &state).unwrap();
    enter_and_find(&ledger, MIDNIGHT.plus(14_000));
    assert_eq!(all(&ledger), Tally { up: 11_000, unknown: 4000, good: 11, ..Tally::default() });
    let gaps = ledger.read().unwrap().gaps(Stamp::default(), MIDNIGHT.plus(DAY)).unwrap();
    assert_eq!(gaps, [moved(to, MIDNIGHT.plus(14_000))]);
    assert!(matches!(&told.all()[0], Trouble::NotWritten { why } if why.contains("moved away")), "{:?}", told.all());
}

#[test]
fn the_time_goes_on_in_a_file_that_another_run_has_kept() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, Batch { keeper: Keeper(9), ..up("api", MIDNIGHT, 10) });
    drop(ledger);
    std::fs::rename(folder.file(), folder.join("older")).unwrap();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT.plus(60_000), 10));
    for end in ["-wal", "-shm"] {
        std::fs::remove_file(folder.join(format!("ledger.sqlite{end}"))).unwrap();
    }
    std::fs::rename(folder.join("older"), folder.file()).unwrap();
    enter_and_find(&ledger, MIDNIGHT.plus(70_000));
    assert_eq!(all(&ledger), Tally { up: 11_000, unknown: 60_000, good: 11, ..Tally::default() });
}

#[test]
fn what_is_no_file_is_set_aside_and_hangs_nobody() {
    for place in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let folder = Folder::new();
        run("mkfifo", &[folder.join(place)]);
        let said = Reader::open(&folder).err();
        assert!(said.is_some_and(|why| why.contains("is a pipe") || why.contains("does not exist")));
        let (ledger, told) = start(&folder);
        enter(&ledger, up("api", MIDNIGHT, 1));
        assert!(
            matches!(&told.all()[..], [Trouble::SetAside { why, .. }] if why.contains("is a pipe"))
                || place.ends_with("-wal"),
            "{:?}",
            told.all()
        );
    }
    let folder = Folder::new();
    run("mkfifo", &[folder.join("ledger.lock")]);
    let (_ledger, told) = start(&folder);
    assert!(matches!(&told.all()[..], [Trouble::NotWritten { why }] if why.contains("is a pipe")), "{:?}", told.all());
}

/// A copy of the file, made by another process.
fn copy(folder: &Folder) -> PathBuf {
    let copy = folder.join("copy");
    run("cp", &[folder.file(), copy.clone()]);
    copy
}

fn run(program: &str, arguments: &[PathBuf]) {
    assert!(std::process::Command::new(program).args(arguments).status().unwrap().success());
}
