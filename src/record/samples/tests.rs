use std::fs;
use std::time::Duration;

use super::*;
use crate::replay::reader::{Reader, Row};

/// A folder of its own that is gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("evenkeel-samples-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sample(answers: u64) -> Sample {
    let mut sample = Sample { takes_part: true, answers, begun: answers, cpu: Some(0.5), ..Sample::default() };
    (0..answers).for_each(|_| sample.latencies.add(Duration::from_millis(5)));
    sample
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn read(path: &Path) -> Vec<Row> {
    let text = fs::read(path).unwrap();
    let (mut reader, mut row, mut rows) = (Reader::new(&text[..]), Row::default(), Vec::new());
    while reader.next(&mut row).unwrap() {
        rows.push(row.clone());
    }
    assert_eq!(reader.warnings(), [""; 0]);
    rows
}

/// Waits until everything is written.
fn end(logs: SampleLogs) {
    for (log, writer) in logs.open.into_values() {
        drop(log);
        writer.join().unwrap();
    }
}

#[test]
fn what_is_recorded_can_be_replayed() {
    let folder = Folder::new("replay");
    let file = folder.file("samples.csv");
    let mut logs = SampleLogs::default();
    logs.update([&*file, &*file]);
    let log = logs.get(&file).unwrap().clone();
    log.record(at(100), "api", &[("a", &sample(7)), ("b, \"c\"", &sample(0))]);
    log.record(at(101), "web", &[("a", &sample(3))]);
    drop(log);
    end(logs);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(
        "time,service,backend,requests,failures,refused,timed_out,unreachable,reset,broken,status_5xx,p50_ms,"
    ));
    let rows = read(&file);
    let told: Vec<_> = rows.iter().map(|row| (row.time.as_secs(), &*row.service, &*row.backend)).collect();
    assert_eq!(told, [(100, "api", "a"), (100, "api", "b, \"c\""), (101, "web", "a")]);
    let again = rows[0].figures.sample().unwrap();
    assert_eq!((again.answers, again.cpu, again.latencies.count), (7, Some(0.5), 7));
    assert!((again.latencies.mean().unwrap() - sample(7).latencies.mean().unwrap()).abs() < 1e-3);
}

#[test]
fn a_file_goes_on_after_a_restart_without_the_line_that_was_cut() {
    let folder = Folder::new("restart");
    let path = folder.file("samples.csv");
    let open = || {
        let mut file = RotatedFile::new(path.clone(), "time,service,backend,x\n".to_owned());
        file.open();
        file
    };
    open().append("1,s,a,1\n2,s,a,1\n");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("3,s,");
    fs::write(&path, text).unwrap();
    open().append("4,s,a,1\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "time,service,backend,x\n1,s,a,1\n2,s,a,1\n4,s,a,1\n");
    // another version had other columns
    let mut other = RotatedFile::new(path.clone(), "time,service,backend,y\n".to_owned());
    other.append("5,s,a,1\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "time,service,backend,y\n5,s,a,1\n");
    assert!(fs::read_to_string(folder.file("samples.csv.1")).unwrap().ends_with("4,s,a,1\n"));
}

#[test]
fn two_files_are_kept_and_neither_grows_beyond_its_bound() {
    let folder = Folder::new("rotation");
    let path = folder.file("samples.csv");
    let mut file = RotatedFile::new(path.clone(), "time,service,backend,x\n".to_owned()).of_size(100);
    (0..50).for_each(|second| file.append(&format!("{second:04},s,a,1\n")));
    let mut names: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["samples.csv", "samples.csv.1"]);
    for name in names {
        let text = fs::read_to_string(folder.0.join(name)).unwrap();
        assert!(text.len() <= 100 && text.starts_with("time,"), "{text}");
    }
    assert!(fs::read_to_string(&path).unwrap().ends_with("0049,s,a,1\n"));
}

#[test]
fn what_can_not_be_written_is_tried_again_and_another_kind_of_file_is_left_alone() {
    let folder = Folder::new("trouble");
    let path = folder.file("later/samples.csv");
    let mut file = RotatedFile::new(path.clone(), "time,service,backend,x\n".to_owned());
    file.append("1,s,a,1\n");
    fs::create_dir(path.parent().unwrap()).unwrap();
    file.append("2,s,a,1\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "time,service,backend,x\n2,s,a,1\n");

    let other = folder.file("letter.txt");
    fs::write(&other, "time,money\nDear").unwrap();
    let mut file = RotatedFile::new(other.clone(), "time,service,backend,x\n".to_owned());
    file.append("1,s,a,1\n");
    assert_eq!(fs::read_to_string(&other).unwrap(), "time,money\nDear");
}

#[test]
fn a_file_that_was_moved_away_is_opened_again() {
    let folder = Folder::new("reopen");
    let path = folder.file("samples.csv");
    let mut logs = SampleLogs::default();
    logs.update([&*path]);
    logs.get(&path).unwrap().record(at(1), "api", &[("a", &sample(1))]);
    while !path.exists() || read(&path).is_empty() {
        std::thread::yield_now();
    }
    fs::rename(&path, folder.file("old.csv")).unwrap();
    logs.reopen();
    logs.get(&path).unwrap().record(at(2), "api", &[("a", &sample(1))]);
    logs.update([] as [&Path; 0]);
    assert!(logs.get(&path).is_none());
    while !path.exists() || read(&path).is_empty() {
        std::thread::yield_now();
    }
    assert_eq!((read(&path).len(), read(&folder.file("old.csv")).len()), (1, 1));
}

#[test]
fn the_queue_is_bounded_and_nobody_waits() {
    let (messages, queue) = mpsc::channel();
    let log = SampleLog { messages, backlog: Arc::default() };
    let (sample, ids) = (sample(0), (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
    let all: Vec<_> = ids.iter().map(|id| (id.as_str(), &sample)).collect();
    (0..100).for_each(|second| log.record(at(second), "api", &all));
    assert_eq!((queue.try_iter().count(), log.backlog.dropped.load(Relaxed)), (50, 50_000));
}
