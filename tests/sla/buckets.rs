//! Copies in a bucket that is ill, slow or full, or that several instances share; and what is restored from it.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::copies::{copying, environment, good};
use crate::support::{Conn, Cue, Origin, Proxy, Scratch, wait_until};
use crate::{Backend, events, send, text, wait_for_event, wait_for_requests};

/// What the bucket does with a request.
#[derive(Clone, Default)]
enum Manner {
    #[default]
    Well,
    /// It answers each with this: the status, further fields, the body.
    Refuses(&'static str, &'static str, &'static str),
    /// It closes in the middle of an upload.
    BreaksUploads,
    /// It closes in the middle of a download.
    BreaksDownloads,
    /// It takes an upload when this is given.
    WaitsFor(Cue),
    /// Each part of its list says that the same one follows.
    ListsForEver,
}

/// A bucket called `copies`, whose lists have 1,000 keys each.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    manner: Manner,
    objects: BTreeMap<String, Vec<u8>>,
    /// The prefixes that were listed.
    listed: Vec<String>,
}

impl Bucket {
    fn start() -> (Self, Origin) {
        let bucket = Self::default();
        let serving = bucket.clone();
        (bucket, Origin::script(move |conn| serving.serve(conn)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn is(&self, manner: Manner) {
        self.state().manner = manner;
    }

    /// The keys of this instance, oldest first.
    fn keys(&self, instance: &str) -> Vec<String> {
        let begin = format!("a/{instance}/");
        self.state().objects.keys().filter(|key| key.starts_with(&begin)).cloned().collect()
    }

    fn serve(&self, conn: &mut Conn) {
        let Ok(mut request) = conn.request_head() else { return };
        let manner = self.state().manner.clone();
        match &manner {
            Manner::BreaksUploads if request.method() == "PUT" => return drop(conn.bytes(1000)),
            Manner::WaitsFor(cue) if request.method() == "PUT" => _ = cue.wait(),
            _ => {}
        }
        if conn.finish_request(&mut request).is_err() {
            return;
        }
        let (path, query) = request.target().split_once('?').unwrap();
        let key = path.strip_prefix("/copies/").unwrap();
        let (status, fields, body) = match (&manner, request.method(), key) {
            (Manner::Refuses(status, fields, body), ..) => (*status, *fields, body.as_bytes().to_vec()),
            (_, "GET", "") => ("200 OK", "", self.list(query, &manner).into_bytes()),
            (_, "GET", key) => ("200 OK", "", self.state().objects[key].clone()),
            (_, "PUT", key) => {
                self.state().objects.insert(key.to_owned(), request.body.clone());
                ("200 OK", "", Vec::new())
            }
            (_, _, key) => {
                self.state().objects.remove(key);
                ("204 No Content", "", Vec::new())
            }
        };
        let sent = match manner {
            Manner::BreaksDownloads if !key.is_empty() && request.method() == "GET" => body.len() / 2,
            _ => body.len(),
        };
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        conn.send([head.as_bytes(), &body[..sent]].concat());
    }

    fn list(&self, query: &str, manner: &Manner) -> String {
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap_or_default().replace("%2F", "/")
        };
        let (prefix, from) = (value("prefix"), value("continuation-token").parse().unwrap_or(0));
        let mut state = self.state();
        state.listed.push(prefix.clone());
        let all = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let page: Vec<_> = all.clone().skip(from).take(1000).collect();
        let entry = |(key, body): &(&String, &Vec<u8>)| {
            format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", body.len())
        };
        let entries: String = page.iter().map(entry).collect();
        let next = match manner {
            Manner::ListsForEver => Some(0),
            _ => Some(from + page.len()).filter(|next| all.count() > *next),
        };
        let next = next.map(|next| format!("<NextContinuationToken>{next}</NextContinuationToken>"));
        let begin = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
        format!("{begin}{entries}{}</ListBucketResult>", next.unwrap_or_default())
    }
}

/// A proxy that copies its ledger to `s3://copies/a` under this name.
fn instance(name: &str, more: &str, backend: &Backend, server: &Origin) -> Proxy {
    let toml = copying("s3://copies/a", more, backend).replace("name = \"one\"", &format!("name = \"{name}\""));
    Proxy::start_with(&toml, |command| environment(command, server))
}

/// `evenkeel state` with these arguments.
fn state(server: &Origin, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("state").args(arguments);
    environment(&mut command, server);
    command.output().unwrap()
}

fn restore(server: &Origin, to: &std::path::Path, more: &[&str]) -> Output {
    let to = to.to_str().unwrap();
    state(server, &[&["restore", "--from", "s3://copies/a", "--state", to], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A bucket with copies of an instance, of which the last one has 10 requests, and that with the key that is returned has 5.
fn filled() -> (Bucket, Origin, String) {
    let (bucket, server) = Bucket::start();
    let backend = Backend::new();
    let mut proxy = instance("one", ", every = \"1s\"", &backend, &server);
    assert_eq!(send(&proxy, 5), 0);
    wait_for_requests(&proxy, 5, 0);
    let known = bucket.keys("one").len();
    // the next one may have been begun before, the one after it was not
    wait_until("two copies more", || bucket.keys("one").len() >= known + 2);
    let half = bucket.keys("one").pop().unwrap();
    assert_eq!(send(&proxy, 5), 0);
    proxy.signal("TERM");
    proxy.wait();
    (bucket, server, half)
}

/// The time in a key, as `--at` takes it.
fn time_of(key: &str) -> String {
    let time = key.rsplit('/').next().unwrap().split('-').nth(1).unwrap();
    let (date, clock) = time.split_once('T').unwrap();
    let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    format!("{date}T{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..])
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing_and_is_tried_again() {
    let (bucket, server) = Bucket::start();
    bucket.is(Manner::BreaksUploads);
    let backend = Backend::new();
    let proxy = instance("one", ", every = \"1s\"", &backend, &server);
    wait_for_event(&proxy, "ledger_backup_failed");
    assert_eq!(send(&proxy, 5), 0);
    assert!(bucket.keys("one").is_empty());
    bucket.is(Manner::Well);
    wait_for_event(&proxy, "ledger_backup_recovered");
    assert!(!bucket.keys("one").is_empty());
    assert_eq!(events(&proxy, "ledger_backup_failed").len(), 1);
}

#[test]
fn a_copy_that_can_not_be_read_back_is_none() {
    let (bucket, server) = Bucket::start();
    bucket.is(Manner::BreaksDownloads);
    let backend = Backend::new();
    let proxy = instance("one", ", every = \"1s\"", &backend, &server);
    let told = wait_for_event(&proxy, "ledger_backup_failed");
    assert!(told["cause"]["reason"].as_str().unwrap().starts_with("the copy can't be read back: "), "{told}");
    bucket.is(Manner::Well);
    wait_for_event(&proxy, "ledger_backup_recovered");
}

#[test]
fn a_refusal_is_told_in_words() {
    let (bucket, server) = Bucket::start();
    let error = |code| format!("<Error><Code>{code}</Code><Message>Because.</Message></Error>");
    for (status, fields, code, words) in [
        ("403 Forbidden", "", "AccessDenied", "the credentials need s3:ListBucket"),
        ("403 Forbidden", "", "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (
            "403 Forbidden",
            "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
            "RequestTimeTooSkewed",
            "ahead of the server's: set",
        ),
        ("301 Moved Permanently", "x-amz-bucket-region: eu-west-1\r\n", "PermanentRedirect", "set AWS_REGION"),
        ("307 Temporary Redirect", "Location: http://other/\r\n", "TemporaryRedirect", "TemporaryRedirect: Because."),
        ("503 Slow Down", "", "SlowDown", "503 Service Unavailable: SlowDown: Because."),
        ("507 Insufficient Storage", "", "", "507 Insufficient Storage"),
    ] {
        bucket.is(Manner::Refuses(status, fields, error(code).leak()));
        let refused = state(&server, &["backups", "--from", "s3://copies/a"]);
        assert!(!refused.status.success() && said(&refused).contains(words), "{code}: {refused:?}");
    }
}

#[test]
fn a_bucket_that_takes_its_time_holds_up_nobody() {
    let (bucket, server) = Bucket::start();
    let cue = Cue::default();
    bucket.is(Manner::WaitsFor(cue.clone()));
    let backend = Backend::new();
    let proxy = instance("one", ", every = \"1h\"", &backend, &server);
    wait_until("a copy is on its way", || server.open() > 0 && bucket.keys("one").is_empty());
    assert_eq!(send(&proxy, 10), 0);
    wait_for_requests(&proxy, 10, 0);
    cue.give();
    wait_until("it is there", || bucket.keys("one").len() == 1);
}

#[test]
fn ten_thousand_copies_are_listed_in_parts() {
    let (bucket, server) = Bucket::start();
    let sum = "ab".repeat(32);
    bucket.state().objects = (0..10_000)
        .map(|n| {
            let (day, hour, minute) = (1 + n / 1440, n / 60 % 24, n % 60);
            (format!("a/one/ledger-202601{day:02}T{hour:02}{minute:02}00.000Z-{sum}.sqlite"), Vec::new())
        })
        .collect();
    let listed = text(&state(&server, &["backups", "--from", "s3://copies/a"]));
    assert_eq!(listed.lines().count(), 10_000);
    bucket.is(Manner::ListsForEver);
    let refused = state(&server, &["backups", "--from", "s3://copies/a"]);
    assert!(said(&refused).contains("the same part of the list for ever"), "{refused:?}");
}

#[test]
fn a_copy_of_any_time_can_be_had_and_one_that_is_damaged_is_passed_over() {
    let ((bucket, server, half), other) = (filled(), Scratch::new());
    let to = other.path().join("state");
    text(&restore(&server, &to, &[]));
    assert_eq!(good(&to), 10);
    text(&restore(&server, &to, &["--at", &time_of(&half)]));
    assert_eq!(good(&to), 5);
    let (newest, whole) = bucket.state().objects.pop_last().unwrap();
    bucket.state().objects.insert(newest.clone(), whole[..whole.len() / 2].to_vec());
    let told = text(&restore(&server, &to, &[]));
    assert!(told.contains("is damaged: its content is not what its name says; the one before is taken"), "{told}");
    assert!(!told.contains(&format!("restored from s3://copies/a: {}", &newest[2..])), "{told}");
    let before = good(&to);
    // when nothing can be read at all, what is there stays
    bucket.is(Manner::BreaksDownloads);
    let refused = restore(&server, &to, &[]);
    assert!(said(&refused).contains("no copy is whole") && said(&refused).contains("can't be read"), "{refused:?}");
    assert_eq!(good(&to), before);
}

#[test]
fn nothing_is_restored_into_the_folder_of_a_process_that_runs() {
    let (_bucket, server, _) = filled();
    let backend = Backend::new();
    let proxy = Proxy::start(&crate::promising("", &[&backend]));
    assert_eq!(send(&proxy, 3), 0);
    wait_for_requests(&proxy, 3, 0);
    let refused = restore(&server, &proxy.path("state"), &[]);
    assert!(said(&refused).contains("open; stop it first"), "{refused:?}");
    assert_eq!(good(&proxy.path("state")), 3);
}

#[test]
fn instances_that_share_a_bucket_list_and_delete_their_own_copies_only() {
    let ((bucket, server), other) = (Bucket::start(), Scratch::new());
    let backend = Backend::new();
    let _instances = ["one", "two"].map(|name| instance(name, ", every = \"1s\", keep = \"2s\"", &backend, &server));
    // one whose copies are older than all that is kept, and that makes none any more
    let sum = "ab".repeat(32);
    let old = format!("a/three/ledger-20260101T000000.000Z-{sum}.sqlite");
    bucket.state().objects.insert(old.clone(), Vec::new());
    for name in ["one", "two"] {
        wait_until("the first copy", || !bucket.keys(name).is_empty());
        let first = bucket.keys(name)[0].clone();
        wait_until("it is deleted", || {
            let keys = bucket.keys(name);
            assert!(!keys.is_empty(), "the newest one is always there");
            !keys.contains(&first)
        });
    }
    assert!(bucket.state().objects.contains_key(&old));
    assert!(bucket.state().listed.iter().all(|prefix| prefix == "a/one/" || prefix == "a/two/"));
    let to = other.path().join("state");
    let refused = restore(&server, &to, &[]);
    assert!(said(&refused).contains("several instances: name one of one, three, two"), "{refused:?}");
}
