//! Discovery as its owner sees it, on real files; and the files' watch.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::watch::FileWatch;
use super::*;

/// Far longer than anything here takes: only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("evenkeel-discover-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As editors do it: a new file, renamed over the old one.
    fn swap(&self, name: &str, text: &str) {
        let new = self.path(&format!(".{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// As Kubernetes does it: a folder with the new files, and a link to it that is swapped.
    fn swap_config_map(&self, version: &str, name: &str, text: &str) {
        let folder = format!("..{version}");
        fs::create_dir(self.path(&folder)).unwrap();
        fs::write(self.path(&folder).join(name), text).unwrap();
        let (link, new) = (self.path("..data"), self.path("..data_tmp"));
        let old = fs::read_link(&link);
        symlink(&folder, &new).unwrap();
        fs::rename(new, link).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(self.path(old.to_str().unwrap())).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn list(addresses: &[&str]) -> String {
    let entries: Vec<_> = addresses.iter().map(|address| format!(r#"{{ "address": "{address}" }}"#)).collect();
    format!("[{}]", entries.join(","))
}

fn discover(file: &Path) -> (Receiver<LastAnswer>, JoinHandle<()>) {
    let dns = Dns::servers(&[], Duration::from_secs(1));
    let (discovery, found) = Discovery::new("api", Source::File(file.to_owned()), dns, Arc::default());
    (found, tokio::task::spawn_local(discovery.run()))
}

impl Discovery {
    /// Waits for one answer.
    async fn step(&mut self) -> News {
        let answer = timeout(PATIENCE, self.answers.next(self.standing.last())).await.expect("an answer comes");
        self.heard(answer)
    }
}

async fn next(found: &mut Receiver<LastAnswer>) -> Vec<String> {
    timeout(PATIENCE, found.changed()).await.expect("a change is told").expect("it goes on");
    let found = found.borrow_and_update();
    found.as_ref().unwrap().iter().map(|backend| backend.id.clone()).collect()
}

#[tokio::test(flavor = "local")]
async fn a_file_that_is_swapped_is_read_again() {
    let folder = Folder::new();
    folder.swap("b.json", &list(&["10.0.0.2:80", "10.0.0.1:80"]));
    let (mut found, _running) = discover(&folder.path("b.json"));
    assert_eq!(next(&mut found).await, ["10.0.0.1:80", "10.0.0.2:80"]);
    folder.swap("b.json", &list(&["10.0.0.3:80"]));
    assert_eq!(next(&mut found).await, ["10.0.0.3:80"]);
    fs::write(folder.path("b.json"), list(&["10.0.0.4:80"])).unwrap();
    assert_eq!(next(&mut found).await, ["10.0.0.4:80"], "written in place");
}

#[tokio::test(flavor = "local")]
async fn a_config_map_that_is_swapped_is_read_again_and_again() {
    let folder = Folder::new();
    folder.swap_config_map("1", "b.json", &list(&["10.0.0.1:80"]));
    symlink("..data/b.json", folder.path("b.json")).unwrap();
    let (mut found, _running) = discover(&folder.path("b.json"));
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
    for version in ["2", "3", "4"] {
        let address = format!("10.0.0.{version}:80");
        folder.swap_config_map(version, "b.json", &list(&[&address]));
        assert_eq!(next(&mut found).await, [address]);
    }
}

#[tokio::test]
async fn a_broken_or_missing_file_keeps_the_last_good_answer() {
    let folder = Folder::new();
    let file = folder.path("b.json");
    let dns = Dns::servers(&[], Duration::from_secs(1));
    let (mut discovery, mut found) = Discovery::new("api", Source::File(file.clone()), dns, Arc::default());
    folder.swap("b.json", &list(&["10.0.0.1:80"]));
    assert!(discovery.step().await.change.is_some());
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);

    folder.swap("b.json", "[{");
    let broken = discovery.step().await;
    assert!(broken.failing.is_some_and(|why| why.starts_with(&file.display().to_string())));
    fs::remove_file(&file).unwrap();
    let missing = discovery.step().await;
    assert!(missing.failing.is_some());
    assert!(!found.has_changed().unwrap(), "nothing is told of it");

    folder.swap("b.json", &list(&["10.0.0.2:80"]));
    assert!(discovery.step().await.recovered);
    assert_eq!(next(&mut found).await, ["10.0.0.2:80"]);
}

#[tokio::test(flavor = "local")]
async fn a_file_that_comes_later_is_found() {
    let folder = Folder::new();
    let (mut found, _running) = discover(&folder.path("b.json"));
    assert!(found.borrow_and_update().is_none());
    folder.swap("b.json", &list(&["10.0.0.1:80"]));
    assert_eq!(next(&mut found).await, ["10.0.0.1:80"]);
}

#[tokio::test(flavor = "local")]
async fn it_ends_when_nobody_listens() {
    let folder = Folder::new();
    folder.swap("b.json", "[]");
    let (found, running) = discover(&folder.path("b.json"));
    drop(found);
    timeout(PATIENCE, running).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn what_others_do_in_the_folder_is_no_change() {
    let folder = Folder::new();
    folder.swap("watched", "1");
    let mut watch = FileWatch::new(folder.path("watched"));
    folder.swap("other", "1");
    drop(fs::read(folder.path("watched")).unwrap());
    assert!(timeout(QUIET_ENOUGH, watch.changed()).await.is_err());
    folder.swap("watched", "2");
    timeout(PATIENCE, watch.changed()).await.unwrap();
    assert!(timeout(QUIET_ENOUGH, watch.changed()).await.is_err(), "told once");
    fs::remove_file(folder.path("watched")).unwrap();
    timeout(PATIENCE, watch.changed()).await.expect("to be gone is a change");
}

/// Time enough to be told wrongly; on a slow machine a wrong answer may come later, but never a right one too early.
const QUIET_ENOUGH: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_file_behind_a_link_to_elsewhere_is_watched_where_it_is() {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    elsewhere.swap("real", "1");
    symlink(elsewhere.path("real"), folder.path("link")).unwrap();
    let mut watch = FileWatch::new(folder.path("link"));
    elsewhere.swap("real", "2");
    timeout(PATIENCE, watch.changed()).await.unwrap();
    // the link is turned to another folder, and that is watched from then on
    let third = Folder::new();
    third.swap("real", "1");
    symlink(third.path("real"), folder.path("link.new")).unwrap();
    fs::rename(folder.path("link.new"), folder.path("link")).unwrap();
    timeout(PATIENCE, watch.changed()).await.unwrap();
    third.swap("real", "22");
    timeout(PATIENCE, watch.changed()).await.unwrap();
}
