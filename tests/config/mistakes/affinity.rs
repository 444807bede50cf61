//! Mistakes in `[service.NAME.affinity]`: keys of cookies, and the store that shares a table.

use crate::support::{Folder, GOOD, bad, good, only_mistake, told};

/// Affinity with these keys after a good configuration.
fn affinity(keys: &str) -> String {
    format!("{GOOD}\n[service.app.affinity]\n{keys}\n")
}

fn warned(keys: &str) -> Vec<String> {
    told(&good(&affinity(keys)).warnings)
}

#[test]
fn a_store_is_a_url_of_redis() {
    let by = "by = \"header:x-user\"\n";
    for url in ["redis://10.0.0.5", "redis://[::1]:7000/3", "rediss://redis.example.com", "unix:///run/redis.sock?db=1"]
    {
        assert!(warned(&format!("{by}store = {url:?}")).is_empty(), "{url}");
    }
    let found = bad(&affinity(&format!("{by}store = \"10.0.0.5:6379\"")));
    let only = found.iter().next().unwrap();
    assert_eq!(only.path, "service.app.affinity.store");
    assert_eq!(only.message, "`10.0.0.5:6379` has no scheme");
    assert!(found.to_string().contains("redis://10.0.0.5:6379"), "{found}");
    for url in ["http://a", "redis://", "redis://a/x", "redis://a:0", "unix://run/redis.sock", "unix:///a?x=1"] {
        let mistake = only_mistake(&affinity(&format!("{by}store = {url:?}")));
        assert!(mistake.starts_with("service.app.affinity.store: "), "{url}: {mistake}");
    }
}

#[test]
fn the_password_of_a_store_is_not_printed() {
    for url in ["redis://me:hunter2@", "redi://me:hun/ter2@a", "redis://me:hunter2@a/x", "me:hunter2@a"] {
        let found = bad(&affinity(&format!("by = \"header:x\"\nstore = {url:?}")));
        let all = format!("{found}{}", serde_json::to_string(&found).unwrap());
        assert!(!all.contains("hunter2") && !all.contains("ter2") && all.contains("store = "), "{url}: {all}");
    }
}

#[test]
fn a_password_has_one_place() {
    let folder = Folder::new();
    let file = folder.write("password", "pw\n");
    let empty = folder.write("empty", "\n");
    let store = |url: &str, file: &std::path::Path| {
        affinity(&format!("by = \"header:x\"\nstore = \"{url}\"\nstore_password_file = {file:?}"))
    };
    good(&store("redis://me@a", &file));
    assert!(only_mistake(&store("redis://me:pw@a", &file)).contains("a password in its URL as well"));
    assert!(only_mistake(&store("redis://a", &empty)).contains("holds no password"));
    assert!(only_mistake(&store("redis://a", "/nowhere/pw".as_ref())).contains("can't be read"));
}

#[test]
fn what_a_kind_of_affinity_does_not_need_is_said() {
    let store = "store = \"redis://a\"";
    let told = warned(store).join("\n");
    assert!(told.contains("affinity.store: `store` has no effect"), "{told}");
    let told = warned(&format!("by = \"client_ip\"\n{store}")).join("\n");
    assert!(told.contains("can find out the addresses of clients"), "{told}");
    let told = warned("by = \"header:x\"\nstore_timeout = \"2ms\"\nstore_ca = \"ca.pem\"").join("\n");
    assert!(told.contains("`store_timeout` has no effect") && told.contains("`store_ca` has no effect"), "{told}");
    assert!(
        only_mistake(&affinity(&format!("by = \"header:x\"\n{store}\nstore_timeout = \"2s\""))).contains("so long")
    );
}

#[test]
fn a_key_is_accepted_once_and_is_not_the_one_that_signs() {
    let folder = Folder::new();
    let key = |name: &str, byte: &str| folder.write(name, byte.repeat(32));
    let (own, next, same) = (key("own", "o"), key("next", "n"), key("same", "o"));
    let keys =
        |accepted: &[&std::path::PathBuf]| format!("secret_file = {own:?}\naccepted_secret_files = {accepted:?}");
    assert!(warned(&keys(&[&next])).is_empty());
    assert!(warned(&keys(&[&same])).join("").contains("this is the key that cookies are signed with"));
    assert!(warned(&keys(&[&next, &next])).join("").contains("this key is here twice"));
    let short = folder.write("short", "short");
    let mistake = only_mistake(&affinity(&keys(&[&short])));
    assert!(mistake.starts_with("service.app.affinity.accepted_secret_files[0]: "), "{mistake}");
    let told = warned(&format!("by = \"header:x\"\naccepted_secret_files = [{next:?}]")).join("");
    assert!(told.contains("`accepted_secret_files` has no effect"), "{told}");
}
