//! What is kept of files that change, in a time that is played.

use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SerialNumber};

use super::*;
use crate::certificate::staple::tests::response;

/// Files in a folder of their own, and who keeps what they hold.
struct Play {
    folder: tempfolder::Folder,
    keeper: Keeper,
    began: Instant,
    wall: SystemTime,
}

mod tempfolder {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A folder that is removed in the end.
    pub struct Folder(pub PathBuf);

    impl Folder {
        pub fn new() -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let name = format!("evenkeel-keeper-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// 2026-01-05 00:00:00 UTC.
const WALL: Duration = Duration::from_secs(1_767_571_200);

impl Play {
    fn new() -> Self {
        let folder = tempfolder::Folder::new();
        let sources = Sources { certificates: vec![Source::Folder(folder.0.clone())], ..Sources::default() };
        let keeper = Keeper::new(Watched { owner: Owner::Admin, sources, material: Material::default() });
        Self { folder, keeper, began: Instant::now(), wall: SystemTime::UNIX_EPOCH + WALL }
    }

    /// Writes a certificate with its key in one file, and gives back the issuer in it.
    fn write(&self, name: &str, serial: &[u8]) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial.to_vec()));
        let certificate = params.self_signed(&key).unwrap();
        self.put(&format!("{name}.pem"), certificate.pem() + &key.serialize_pem());
        webpki::EndEntityCert::try_from(certificate.der()).unwrap().issuer().to_vec()
    }

    /// Puts a file there in one step.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let draft = self.folder.0.join("draft");
        std::fs::write(&draft, content).unwrap();
        std::fs::rename(draft, self.folder.0.join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.0.join(name)).unwrap();
    }

    /// A look after so many seconds: the files whose certificates are in force, where they are others, and what is told.
    fn look(&mut self, seconds: u64) -> (Option<Vec<String>>, Vec<String>) {
        let after = Duration::from_secs(seconds);
        let Looked { renewed, unusable, .. } = self.keeper.look(self.began + after, self.wall + after);
        let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let stapled = |one: &Certificate| if one.certified.ocsp.is_some() { "+ocsp" } else { "" };
        let shown = |one: &Arc<Certificate>| name(one.path()) + stapled(one);
        let root = format!("{}/", self.folder.0.display());
        let told = unusable.iter().map(|one| one.message.replace(&root, "")).collect();
        (renewed.map(|material| material.certificates.iter().map(shown).collect()), told)
    }
}

fn names(names: &[&str]) -> (Option<Vec<String>>, Vec<String>) {
    (Some(names.iter().map(|name| (*name).to_owned()).collect()), Vec::new())
}

fn nothing() -> (Option<Vec<String>>, Vec<String>) {
    (None, Vec::new())
}

#[test]
fn pairs_come_to_a_folder_and_go_from_it_but_not_the_last() {
    let mut play = Play::new();
    assert_eq!(play.look(0), nothing());
    play.write("b", &[1]);
    assert_eq!(play.look(1), names(&["b"]));
    play.write("a", &[2]);
    assert_eq!(play.look(2), names(&["a", "b"]));
    // a tool that takes a file away before it writes the next one
    play.remove("a.pem");
    assert_eq!(play.look(3), nothing());
    play.write("a", &[3]);
    assert_eq!((play.look(7), play.look(60)), (names(&["a", "b"]), nothing()));
    play.remove("b.pem");
    assert_eq!((play.look(61), play.look(65), play.look(66)), (nothing(), nothing(), names(&["a"])));
    play.remove("a.pem");
    assert_eq!([play.look(70), play.look(700)].map(|(renewed, _)| renewed), [None, None]);
    play.write("c", &[4]);
    assert_eq!((play.look(701), play.look(702)), (names(&["c", "a"]), names(&["c"])));
}

#[test]
fn a_folder_that_is_gone_takes_nothing_away() {
    let mut play = Play::new();
    play.write("a", &[1]);
    assert_eq!(play.look(0), names(&["a"]));
    std::fs::remove_dir_all(&play.folder.0).unwrap();
    let told = [play.look(1), play.look(6), play.look(600)].map(|(renewed, told)| {
        assert_eq!(renewed, None);
        told.len()
    });
    assert_eq!(told, [0, 2, 0], "the folder and the pair, once each");
}

#[test]
fn a_staple_is_sent_while_it_is_good_and_for_its_own_certificate_only() {
    let mut play = Play::new();
    let issuer = play.write("a", &[7]);
    let staple = |serial: u8, until: &str| response(&[serial], &issuer, &[0x80, 0], "20260101000000Z", Some(until));
    assert_eq!(play.look(0), names(&["a"]));
    play.put("a.ocsp", staple(7, "20260105000100Z"));
    // the pair is another one now that it has a response; the one before goes after a while
    assert_eq!(play.look(1), names(&["a+ocsp", "a"]));
    assert_eq!((play.look(6), play.look(59)), (names(&["a+ocsp"]), nothing()));
    let over = "the time of the OCSP response in `a.ocsp` is over: it is not sent any more";
    assert_eq!(play.look(60), (Some(vec!["a".to_owned()]), vec![over.to_owned()]));
    assert_eq!(play.look(61), nothing());
    play.put("a.ocsp", staple(7, "20260106000000Z"));
    assert_eq!(play.look(62), names(&["a+ocsp"]));
    // another certificate, to which the response does not belong
    play.write("a", &[8]);
    assert_eq!(play.look(63), names(&["a"]));
    let other = "the OCSP response in `a.ocsp` is not sent to clients: it is about another certificate";
    assert_eq!(play.look(68), (None, vec![other.to_owned()]));
    play.put("a.ocsp", staple(8, "20260106000000Z"));
    assert_eq!((play.look(69), play.look(70)), (names(&["a+ocsp"]), nothing()));
}

#[test]
fn what_another_configuration_has_not_read_stays_where_it_was_among_its_own_sources() {
    let play = Play::new();
    let mut all = Vec::new();
    for name in ["a", "b", "c", "d"] {
        play.write(name, &[1]);
        let file = play.folder.0.join(format!("{name}.pem"));
        all.push(Arc::new(read::pair(&PairFiles { cert: file.clone(), key: file, ocsp: None }).result.unwrap()));
    }
    let names = |all: &[Arc<Certificate>]| all.iter().map(|one| one.names[0][..1].to_owned()).collect::<String>();
    let folder = Sources { certificates: vec![Source::Folder(play.folder.0.clone())], ..Sources::default() };
    for left in ["", "a", "d", "bc", "ad", "abd", "abcd"] {
        let read = all.iter().filter(|one| left.contains(&one.names[0][..1])).cloned().collect();
        assert_eq!(names(&folder.keep(read, &all, play.wall)), "abcd", "{left}");
    }
    let pair = Sources { certificates: vec![Source::Pair(all[2].files.clone())], ..Sources::default() };
    assert_eq!(names(&pair.keep(vec![Arc::clone(&all[2])], &all, play.wall)), "c", "the others are not its own");
    assert_eq!(names(&Sources::default().keep(Vec::new(), &all, play.wall)), "");
}

#[test]
fn a_staple_stays_over_a_reload_while_its_file_holds_a_mistake() {
    let mut play = Play::new();
    let issuer = play.write("a", &[7]);
    let staple = |serial: u8| response(&[serial], &issuer, &[0x80, 0], "20260101000000Z", Some("20260105000100Z"));
    play.put("a.ocsp", staple(7));
    assert_eq!(play.look(0), names(&["a+ocsp"]));
    let sources = Sources { certificates: vec![Source::Folder(play.folder.0.clone())], ..Sources::default() };
    let read = |play: &Play| {
        let files = sources.certificates[0].pairs().unwrap().remove(0);
        let certificate = read::pair(&files).result.unwrap();
        let stapled = staple::read(files.ocsp.as_ref().unwrap(), &certificate, play.wall).result.ok();
        Arc::new(certificate.stapled(stapled.map(|staple| staple.response)))
    };
    let reload = |play: &mut Play, new: Vec<Arc<Certificate>>, seconds: u64| {
        let in_force = play.keeper.pairs[0].shown.clone().unwrap();
        let certificates = sources.keep(new, &[in_force], play.wall + Duration::from_secs(seconds));
        let is_stapled = certificates[0].certified.ocsp.is_some();
        let material = Material { certificates, ..Material::default() };
        play.keeper = Keeper::new(Watched { owner: Owner::Admin, sources: sources.clone(), material });
        is_stapled
    };
    // the response is of the certificate that comes next, whose own file is not there yet
    play.put("a.ocsp", staple(8));
    let new = read(&play);
    assert!(new.certified.ocsp.is_none());
    assert!(reload(&mut play, vec![new], 1), "the one in force stays");
    assert_eq!(play.look(1), nothing());
    // the certificate can't be read either
    play.put("a.pem", "half of it");
    assert!(reload(&mut play, Vec::new(), 2));
    assert_eq!(play.look(2), nothing());
    let (renewed, told) = play.look(60);
    assert_eq!(renewed, Some(vec!["a".to_owned()]), "its time is over: {told:?}");
}

#[test]
fn a_staple_that_is_over_or_that_nobody_wants_any_more_goes_with_a_reload() {
    let mut play = Play::new();
    let issuer = play.write("a", &[7]);
    play.put("a.ocsp", response(&[7], &issuer, &[0x80, 0], "20260101000000Z", Some("20260105000100Z")));
    assert_eq!(play.look(0), names(&["a+ocsp"]));
    let sources = Sources { certificates: vec![Source::Folder(play.folder.0.clone())], ..Sources::default() };
    let in_force = play.keeper.pairs[0].shown.clone().unwrap();
    let files = sources.certificates[0].pairs().unwrap().remove(0);
    let new = read::pair(&files).result.unwrap();
    let elsewhere = PairFiles { ocsp: None, ..files };
    let is_kept = |new: Certificate, seconds: u64| {
        let wall = play.wall + Duration::from_secs(seconds);
        let kept = sources.keep(vec![Arc::new(new)], &[Arc::clone(&in_force)], wall);
        kept[0].certified.ocsp.is_some()
    };
    assert!(is_kept(new.stapled(None), 59));
    assert!(!is_kept(new.stapled(None), 60), "it is over");
    assert!(!is_kept(Certificate { files: elsewhere, ..new }, 1), "no file is named");
}
