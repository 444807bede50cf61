//! Files that are exchanged, elsewhere, or called otherwise: which one was meant.

use crate::support::{Folder, GOOD};

/// A folder with two certificates, and one that is empty.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.certificate("site", &["www.example.com"], 2020, 2100);
    folder.certificate("other", &["other.example"], 2020, 2100);
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    folder
}

/// The path, the suggestion and the help of each mistake in a listener's `certificates`.
fn advice(folder: &Folder, certificates: &str) -> Vec<(String, Option<String>, String)> {
    let text = GOOD
        .replace("service = \"app\"", &format!("service = \"app\"\ntls = {{ certificates = [{{ {certificates} }}] }}"));
    let diagnostics = folder.load(&text).unwrap_err();
    let told = |path: &str| path.rsplit('.').next().unwrap().to_owned();
    diagnostics.iter().map(|d| (told(&d.path), d.suggestion.clone(), d.help.clone().unwrap_or_default())).collect()
}

#[test]
fn certificate_and_key_that_are_exchanged_are_told_so() {
    let folder = folder();
    let told = advice(&folder, "cert = 'site.key', key = 'site.pem'");
    let near = |name: &str| Some(name.to_owned());
    let help = "`cert` and `key` are exchanged".to_owned();
    assert_eq!(told, [("cert".into(), near("site.pem"), help.clone()), ("key".into(), near("site.key"), help)]);
    let told = advice(&folder, "cert = 'site.key', key = 'site.key'");
    assert!(told.len() == 1 && told[0].2.contains("holds a private key"), "{told:?}");
    let told = advice(&folder, "cert = 'site.pem', key = 'site.pem'");
    assert!(told.len() == 1 && told[0].2.contains("holds a certificate"), "{told:?}");
}

#[test]
fn the_key_that_fits_a_certificate_is_named() {
    let folder = folder();
    let told = advice(&folder, "cert = 'site.pem', key = 'other.key'");
    assert_eq!(told[0].1.as_deref(), Some("site.key"), "{told:?}");
    std::fs::remove_file(folder.path().join("site.key")).unwrap();
    let told = advice(&folder, "cert = 'site.pem', key = 'other.key'");
    assert_eq!((told.len(), &told[0].1), (1, &None), "{told:?}");
}

#[test]
fn a_file_that_is_elsewhere_or_called_otherwise_is_found() {
    let folder = folder();
    for (cert, key, meant) in [
        ("site.crt", "site.key", ("cert", Some("site.pem"))),
        ("sitte.pem", "site.key", ("cert", Some("site.pem"))),
        ("certs/site.pem", "site.key", ("cert", Some("site.pem"))),
        ("site.pem", "site.pkey", ("key", Some("site.key"))),
        ("site.pem", "nowhere.key", ("key", None)),
        ("nothing-like-it", "site.key", ("cert", None)),
    ] {
        let told = advice(&folder, &format!("cert = '{cert}', key = '{key}'"));
        assert_eq!((&*told[0].0, told[0].1.as_deref()), meant, "{cert} {key}");
    }
    folder.write("certs/own.pem", "");
    std::fs::rename(folder.path().join("other.pem"), folder.path().join("certs/own.pem")).unwrap();
    let told = advice(&folder, "cert = 'own.pem', key = 'other.key'");
    assert_eq!(told[0].1.as_deref(), Some("certs/own.pem"), "{told:?}");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told_so() {
    let folder = folder();
    let told = advice(&folder, "cert = 'certs', key = 'site.key'");
    assert_eq!(told[0].2, "it is a folder: { folder = \"certs\" } serves all certificates in it");
    let told = advice(&folder, "folder = 'site.pem'");
    assert!(told[0].2.starts_with("it is a file"), "{told:?}");
}
