//! Files that are no good, and disks that are none.

use std::io::Write;
use std::process::Command;

use rusqlite::Connection;

use super::*;
use crate::ledger::write::{BatchId, write};
use crate::ledger::{Gap, GapReason, Unread, schema};

/// A folder with a ledger of a few pages, and its bytes.
fn some() -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, Batch { incidents: vec![incident(1, MIDNIGHT, Some(MIDNIGHT))], ..up("api", MIDNIGHT, 3600) });
    drop(ledger);
    let bytes = std::fs::read(folder.file()).unwrap();
    (folder, bytes)
}

/// Puts these bytes in the ledger's place and starts. Either it opens, or the file is set aside as it was, with a word, and a new one takes what is
/// entered.
fn open_or_set_aside(folder: &Folder, bytes: &[u8]) -> bool {
    for old in folder.named("ledger") {
        std::fs::remove_file(old).unwrap();
    }
    std::fs::write(folder.file(), bytes).unwrap();
    let (ledger, told) = start(folder);
    enter(&ledger, up("api", MIDNIGHT.plus(DAY), 1));
    let reader = ledger.read().unwrap();
    assert!(of(&reader, "api", MIDNIGHT.plus(DAY), MIDNIGHT.plus(DAY + 1000)).up >= 1000);
    let aside = folder.named("damaged").into_iter().find(|path| path.extension().is_some_and(|end| end == "sqlite"));
    let Some(aside) = aside else {
        assert_eq!(told.all(), []);
        return true;
    };
    let Trouble::SetAside { file, .. } = &told.all()[0] else { panic!("{:?}", told.all()) };
    assert_eq!(*file, aside);
    let name = aside.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(reader.gaps(Stamp::default(), MIDNIGHT).unwrap()[0].why, GapReason::SetAside { file: name });
    false
}

#[test]
fn a_file_that_is_no_ledger_is_set_aside_as_it_was_and_said_so() {
    let (folder, good) = some();
    assert!(open_or_set_aside(&folder, &good));
    for bytes in [&b""[..], b"x", b"not a database, but a text of some length".repeat(100).as_slice()] {
        assert!(!open_or_set_aside(&folder, bytes));
        let aside = folder.named("damaged");
        assert_eq!(std::fs::read(&aside[0]).unwrap(), bytes);
    }
    for sql in
        ["CREATE TABLE x (y)", "PRAGMA user_version = 1", "CREATE TABLE x (y); PRAGMA application_id = 1165384556"]
    {
        std::fs::remove_file(folder.file()).unwrap();
        Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
        let bytes = std::fs::read(folder.file()).unwrap();
        assert!(!open_or_set_aside(&folder, &bytes), "{sql}");
    }
    std::fs::write(folder.file(), &good).unwrap();
    Connection::open(folder.file()).unwrap().execute_batch("DROP TABLE kept").unwrap();
    let bytes = std::fs::read(folder.file()).unwrap();
    assert!(!open_or_set_aside(&folder, &bytes));
}

#[test]
fn a_file_that_is_cut_anywhere_opens_or_is_set_aside() {
    let (folder, good) = some();
    let mut opened = 0;
    for length in (0..good.len()).step_by(4096) {
        opened += i32::from(open_or_set_aside(&folder, &good[..length]));
    }
    assert_eq!(opened, 0, "of {} cuts", good.len() / 4096);
}

#[test]
fn a_file_with_a_flipped_byte_in_a_view_opens_or_is_set_aside() {
    let (folder, good) = some();
    let view = b"d.up, d.down, d.planned";
    let place = good.windows(view.len()).position(|bytes| bytes == view).unwrap();
    let mut bytes = good.clone();
    bytes[place + 2] = b'x';
    open_or_set_aside(&folder, &bytes);
}

/// Flips bytes of a file in so many ways; how often it was set aside.
fn flip_bytes(seeds: u64) -> i32 {
    let (folder, good) = some();
    let mut aside = 0;
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..20) {
            let place = random.usize(..bytes.len());
            bytes[place] ^= random.u8(1..);
        }
        aside += i32::from(!open_or_set_aside(&folder, &bytes));
    }
    aside
}

#[test]
fn a_file_with_flipped_bytes_opens_or_is_set_aside() {
    let aside = flip_bytes(40);
    assert!(aside > 10, "{aside}");
}

#[test]
#[ignore = "it takes 15 s"]
fn a_file_with_bytes_flipped_in_200_ways_opens_or_is_set_aside() {
    let aside = flip_bytes(200);
    assert!(aside > 50, "{aside}");
}

#[test]
fn a_large_file_is_looked_through_after_the_start() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    let kept = (0..70).map(|n| ("room".to_owned(), n.to_string(), Some("x".repeat(1 << 20)))).collect();
    enter(&ledger, Batch { kept, ..batch(MIDNIGHT) });
    drop(ledger);
    let mut bytes = std::fs::read(folder.file()).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0);
    std::fs::write(folder.file(), &bytes).unwrap();
    let (ledger, told) = start(&folder);
    assert!(ledger.flush(Duration::from_secs(60)));
    let Trouble::SetAside { file, .. } = &told.all()[0] else { panic!("{:?}", told.all()) };
    assert!(std::fs::read(file).unwrap() == bytes);
    assert!(ledger.read().unwrap().kept("room").unwrap().is_empty());
}

#[test]
fn damage_that_shows_while_it_is_written_is_met_in_the_same_way() {
    let folder = Folder::new();
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 10));
    // what a flipped bit can do to a number: a sum that no integer holds
    let sql = "UPDATE span_day SET up = 9223372036854775807";
    Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
    enter(&ledger, up("api", MIDNIGHT.plus(10_000), 10));
    assert!(matches!(&told.all()[..], [Trouble::SetAside { .. }]), "{:?}", told.all());
    let reader = ledger.read().unwrap();
    assert_eq!(of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 10_000);
    assert_eq!(reader.keeper().unwrap(), Some(Keeper(1)));
}

#[test]
fn a_newer_file_is_left_alone_and_what_is_entered_waits() {
    let (folder, _) = some();
    let set =
        |version: i64| Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", version).unwrap();
    set(schema::VERSION + 1);
    let before = std::fs::read(folder.file()).unwrap();
    let (ledger, told) = start(&folder);
    ledger.enter(up("api", MIDNIGHT.plus(DAY), 5)).unwrap();
    assert!(!ledger.flush(Duration::from_millis(20)));
    assert_eq!(told.all(), [Trouble::Newer { version: schema::VERSION + 1, known: schema::VERSION }]);
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
    assert!(ledger.read().unwrap_err().contains("newer"));
    set(schema::VERSION);
    assert!(ledger.flush(Duration::from_secs(60)));
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(2 * DAY)).up, 3_605_000);
}

#[test]
fn a_full_disk_loses_nothing_and_says_so_once() {
    let folder = Folder::new();
    let mut file = crate::ledger::file::open(&folder, true).unwrap();
    let pages = schema::pragma(&file.connection, "page_count").unwrap();
    file.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let mut services = crate::ledger::write::Services::new();
    let many = up("api", MIDNIGHT, 3600);
    let (id, other) = (BatchId { run: 1, number: 1 }, BatchId { run: 2, number: 1 });
    let error = write(&mut file.connection, &many, id, &mut services).unwrap_err();
    let obstacle = crate::ledger::file::Obstacle::from(error);
    assert!(matches!(&obstacle, crate::ledger::file::Obstacle::Later(why) if why.contains("full")), "{obstacle:?}");
    assert_eq!(Reader::open(&folder).unwrap().services().unwrap(), []);
    drop(file);
    let mut file = crate::ledger::file::open(&folder, true).unwrap();
    write(&mut file.connection, &many, id, &mut services).unwrap();
    // in an upgrade another run writes meanwhile
    write(&mut file.connection, &up("api", MIDNIGHT.plus(DAY), 1), other, &mut services).unwrap();
    write(&mut file.connection, &many, id, &mut services).unwrap();
    let sum = of(&Reader::open(&folder).unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY));
    assert_eq!(sum.up, 3_600_000, "a batch that is there already is not added again");
}

#[test]
fn a_run_that_could_not_read_the_ledger_enters_the_gap_before_it_when_it_is_written_at_last() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    enter(&ledger, Batch { incidents: vec![incident(1, MIDNIGHT, None)], ..up("api", MIDNIGHT, 10) });
    let (until, at) = (MIDNIGHT.plus(10_000), MIDNIGHT.plus(HOUR));
    let unread = Unread { at, services: vec!["api".into(), "new".into()], was_watched: false };
    let first = Batch { takes_over: true, unread: Some(unread), keeper: Keeper(2), ..Batch::default() };
    let mut waiting = first;
    waiting.merge(Batch { keeper: Keeper(2), ..up("api", at, 10) });
    enter(&ledger, waiting);
    let reader = ledger.read().unwrap();
    assert_eq!(reader.gaps(MIDNIGHT, at).unwrap(), [Gap { from: until, to: at, why: GapReason::Crashed }]);
    let held = of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY));
    assert_eq!((held.up, held.unknown), (20_000, HOUR - 10_000));
    assert_eq!(of(&reader, "new", MIDNIGHT, MIDNIGHT.plus(DAY)), Tally::default());
    let stale = reader.incident(1).unwrap().unwrap();
    assert_eq!((stale.incident.ended, stale.incident.is_cut), (Some(until), true));
    drop((reader, ledger));
    assert_eq!(crate::ledger::tools::check(&folder.file()).unwrap(), []);
}

#[test]
fn another_program_that_holds_the_lock_for_long_is_told_of() {
    let folder = Folder::new();
    let (ledger, told) = start(&folder);
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ledger.enter(up("api", MIDNIGHT, 1)).unwrap();
    while told.all().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(told.all()[0].to_string().contains("another program holds the lock"), "{:?}", told.all());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(ledger.flush(Duration::from_secs(60)));
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 1000);
}

/// Not a test: a process that may write 200 KiB into a file, started by the next one under `ulimit -f`.
#[test]
#[ignore = "is started by the test below"]
fn writes_until_the_disk_is_full() {
    let Ok(folder) = std::env::var("EVENKEEL_LEDGER_FOLDER") else { return };
    let (ledger, told) = start(Path::new(&folder));
    let service = |n: i64| format!("service {n} {}", "x".repeat(500));
    let mut n = 0;
    while told.all().is_empty() {
        // at the end there is more than fits
        let _ = ledger.enter(up(&service(n), MIDNIGHT.plus(1000 * n), 1));
        let _ = ledger.flush(Duration::from_millis(100));
        n += 1;
    }
    let all = told.all();
    assert!(matches!(&all[..], [Trouble::NotWritten { .. }]), "{all:?}");
    let reader = ledger.read().unwrap();
    let there = reader.tallies(MIDNIGHT, MIDNIGHT.plus(DAY)).unwrap();
    assert_eq!(there.values().map(|tally| tally.up).sum::<i64>(), reader.until().unwrap().unwrap().since(MIDNIGHT));
    writeln!(std::io::stdout(), "full after {n}: {}", all[0]).unwrap();
    std::process::exit(0);
}

#[test]
fn a_process_goes_on_when_its_file_can_not_grow() {
    let folder = Folder::new();
    // SIGXFSZ, which the limit sends, has to be ignored, as a full disk sends none
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" ledger::tests::damage::writes_until_the_disk_is_full --exact --ignored --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("EVENKEEL_LEDGER_FOLDER", &*folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("full after"), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT.plus(DAY), 1));
    assert_eq!(told.all(), []);
    assert_eq!(crate::ledger::tools::check(&folder.file()).unwrap(), []);
}

#[test]
fn a_folder_that_comes_later_is_used_as_soon_as_it_is_there() {
    let folder = Folder::new();
    let place = folder.join("state");
    std::fs::write(&place, "in the way").unwrap();
    let (ledger, told) = start(&place);
    for n in 0..3 {
        ledger.enter(up("api", MIDNIGHT.plus(1000 * n), 1)).unwrap();
    }
    assert!(!ledger.flush(Duration::from_millis(20)));
    assert!(matches!(&told.all()[..], [Trouble::NotWritten { .. }]), "{:?}", told.all());
    assert!(ledger.is_failing());
    std::fs::remove_file(&place).unwrap();
    assert!(ledger.flush(Duration::from_secs(60)));
    assert!(!ledger.is_failing(), "it is known at once that it can be written");
    // that is told once it has lasted
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !matches!(&told.all()[1..], [Trouble::WrittenAgain { .. }]) {
        assert!(std::time::Instant::now() < deadline, "{:?}", told.all());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up, 3000);
}

#[test]
fn a_file_that_is_taken_away_is_begun_anew_and_not_written_where_nobody_sees_it() {
    let (folder, _) = some();
    let (ledger, _) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT.plus(DAY), 1));
    std::fs::rename(folder.file(), folder.join("elsewhere")).unwrap();
    enter(&ledger, up("api", MIDNIGHT.plus(2 * DAY), 1));
    assert_eq!(of(&ledger.read().unwrap(), "api", MIDNIGHT, MIDNIGHT.plus(3 * DAY)).up, 1000);
}

#[test]
fn the_log_of_a_file_that_is_gone_is_not_taken_for_that_of_the_new_one() {
    let (folder, _) = some();
    std::fs::remove_file(folder.file()).unwrap();
    std::fs::write(folder.join("ledger.sqlite-wal"), "the rest of another").unwrap();
    let (ledger, told) = start(&folder);
    enter(&ledger, up("api", MIDNIGHT, 1));
    assert_eq!((folder.named("left").len(), told.all().len()), (1, 0));
}

/// Not a test: the process that the next one kills. It enters batch after batch and says which are on the disk.
#[test]
#[ignore = "is started by the test below"]
fn writes_until_it_is_killed() {
    let Ok(folder) = std::env::var("EVENKEEL_LEDGER_FOLDER") else { return };
    let (ledger, _) = start(Path::new(&folder));
    let first = Reader::open(Path::new(&folder)).unwrap().until().unwrap().unwrap_or(MIDNIGHT);
    for n in 0.. {
        let batch = up("api", first.plus(1000 * n), 1);
        let until = batch.until.unwrap();
        enter(&ledger, Batch { incidents: vec![incident(n, first, None)], ..batch });
        writeln!(std::io::stdout(), "on disk {}", until.as_millis()).unwrap();
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_on_the_disk_and_counts_nothing_twice() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["ledger::tests::damage::writes_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
            .env("EVENKEEL_LEDGER_FOLDER", &*folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = lines.filter_map(|line| line.split_once("on disk ")?.1.parse::<i64>().ok());
        let mut last = said.nth(random.usize(..40)).unwrap();
        std::thread::sleep(Duration::from_micros(random.u64(..3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        last = said.last().unwrap_or(last);
        let reader = Reader::open(&folder).unwrap();
        let until = reader.until().unwrap().unwrap();
        assert!((last..=last + 1000).contains(&until.as_millis()), "{last} {until:?}");
        assert_eq!(of(&reader, "api", MIDNIGHT, until).up, until.since(MIDNIGHT));
        assert_eq!(crate::ledger::tools::check(&folder.file()).unwrap(), []);
    }
    assert_eq!(folder.named("damaged").len(), 0);
}

#[test]
fn a_log_that_is_cut_anywhere_loses_its_end_and_no_more() {
    let folder = Folder::new();
    let (ledger, _) = start(&folder);
    for n in 0..40 {
        enter(&ledger, up("api", MIDNIGHT.plus(1000 * n), 1));
    }
    // by another process: closing one of these files here would drop the locks that SQLite holds on it
    let copy = folder.join("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        assert!(Command::new("cp").args([folder.join(name), copy.join(name)]).status().unwrap().success());
    }
    let (database, log) =
        (std::fs::read(copy.join("ledger.sqlite")).unwrap(), std::fs::read(copy.join("ledger.sqlite-wal")).unwrap());
    let mut before = 0;
    for length in (0..=log.len()).step_by(8000) {
        std::fs::remove_dir_all(&copy).unwrap();
        std::fs::create_dir(&copy).unwrap();
        std::fs::write(copy.join("ledger.sqlite"), &database).unwrap();
        std::fs::write(copy.join("ledger.sqlite-wal"), &log[..length]).unwrap();
        let (ledger, told) = start(&copy);
        let reader = ledger.read().unwrap();
        let up = of(&reader, "api", MIDNIGHT, MIDNIGHT.plus(DAY)).up;
        assert_eq!(told.all(), []);
        assert_eq!(up, reader.until().unwrap().map_or(0, |until| until.since(MIDNIGHT)));
        assert!(up >= before);
        before = up;
    }
    assert!(before >= 38_000);
}
