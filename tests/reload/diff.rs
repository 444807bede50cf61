//! `evenkeel diff`: what runs against what the file says. And `evenkeel check` of a file with very many mistakes.

use serde_json::Value;

use crate::shell::{evenkeel, said};
use crate::support::{Origin, Proxy, config};

#[test]
fn what_a_reload_would_change_is_told_by_key_and_exit_code() {
    let origin = Origin::ok();
    let file = config("max_connections = 10", "", &[&origin]) + "[server]\nworkers = 1\nreload_on_change = false\n";
    let proxy = Proxy::start(&file);
    let same = evenkeel(&proxy, &["diff"]);
    assert_eq!((same.status.code(), said(&same.stderr)), (Some(0), String::new()), "{}", said(&same.stdout));
    assert_eq!(said(&same.stdout), format!("what runs is what {} says\n", proxy.path("proxy.toml").display()));
    proxy.rewrite(
        &(file.replace("connections = 10", "connections = 20").replace("workers = 1", "workers = 2")
            + "[service.api.health]\n"),
    );
    let differs = evenkeel(&proxy, &["diff"]);
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs.stderr));
    let expected = [
        "~ listener[web].max_connections = 10 -> 20",
        "~ server.workers = 1 -> 2  (with the next start)",
        "+ service.api.health",
        &format!(
            "3 differences between what runs and {}: a reload makes it so, but for 1 that take a restart",
            proxy.path("proxy.toml").display()
        ),
    ];
    assert_eq!(said(&differs.stdout).lines().collect::<Vec<_>>(), expected);
    let json = evenkeel(&proxy, &["diff", "--json"]);
    let json: Value = serde_json::from_str(&said(&json.stdout)).unwrap();
    assert_eq!(json["differences"].as_array().unwrap().len(), 3);
    assert_eq!(evenkeel(&proxy, &["reload"]).status.code(), Some(0));
    let rest = evenkeel(&proxy, &["diff"]);
    assert!(
        said(&rest.stdout).starts_with("~ server.workers = 1 -> 2  (with the next start)\n1 difference "),
        "{}",
        said(&rest.stdout)
    );
    assert_eq!(rest.status.code(), Some(1));
}

#[test]
fn a_secret_that_has_changed_is_a_difference_that_is_not_shown() {
    let origin = Origin::ok();
    let with = |secret: &str| {
        config("", "", &[&origin])
            + &format!("[server]\nreload_on_change = false\nenvironment = {{ TOKEN = \"{secret}\" }}\n")
    };
    let proxy = Proxy::start(&with("hunter2"));
    proxy.rewrite(&with("hunter3"));
    let differs = evenkeel(&proxy, &["diff"]);
    let told = said(&differs.stdout);
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs.stderr));
    assert!(
        told.contains("its text has changed: a secret, a comment or the layout") && !told.contains("hunter"),
        "{told}"
    );
    let json: Value = serde_json::from_str(&said(&evenkeel(&proxy, &["diff", "--json"]).stdout)).unwrap();
    assert_eq!((&json["same_text"], json["differences"].as_array().unwrap().len()), (&false.into(), 0));
    assert_eq!(evenkeel(&proxy, &["reload"]).status.code(), Some(0));
    assert_eq!(evenkeel(&proxy, &["diff"]).status.code(), Some(0));
}

#[test]
fn another_file_can_be_compared_and_what_is_secret_is_not_told() {
    let origin = Origin::ok();
    let file = config("", "", &[&origin]);
    let secret = "[server]\nenvironment = { TOKEN = \"hunter2\" }\n";
    let proxy = Proxy::start(&(file + "[server]\nworkers = 1\n"));
    let other = proxy.path("other.toml");
    let text = std::fs::read_to_string(proxy.path("proxy.toml")).unwrap();
    let text = text
        .replace("[server]\n", secret)
        .replace("[service.api]\n", "[service.api]\nrequest_headers.set = { x = \"${TOKEN}\" }\n");
    std::fs::write(&other, text).unwrap();
    let differs = evenkeel(&proxy, &["diff", other.to_str().unwrap()]);
    let told = said(&differs.stdout);
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs.stderr));
    assert!(
        told.contains("+ server.environment.TOKEN = \"***\"")
            && told.contains("+ service.api.request_headers.set.x = \"${TOKEN}\""),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn what_cannot_be_compared_is_neither_the_same_nor_different() {
    let origin = Origin::ok();
    let file = config("", "", &[&origin]) + "[server]\nworkers = 1\nreload_on_change = false\n";
    let mut proxy = Proxy::start(&file);
    proxy.rewrite(&file.replace("workers", "worker"));
    let bad = evenkeel(&proxy, &["diff"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(said(&bad.stderr).contains("unknown key `worker`"), "{}", said(&bad.stderr));
    proxy.rewrite(&file);
    proxy.signal("TERM");
    proxy.wait();
    let lost = evenkeel(&proxy, &["diff"]);
    assert_eq!(lost.status.code(), Some(2));
    assert!(said(&lost.stderr).contains("can't be asked"), "{}", said(&lost.stderr));
}

#[test]
fn of_very_many_mistakes_the_first_are_told_and_all_when_asked_for() {
    let origin = Origin::ok();
    let file = config("", "", &[&origin]) + "[server]\nworkers = 1\nreload_on_change = false\n";
    let proxy = Proxy::start(&file);
    let wrong: String =
        (0..9_900).map(|n| format!("[[listener.route]]\npath = \"/{n}\"\nservice = \"ap\"\n")).collect();
    proxy.rewrite(&file.replace("[service.api]\n", &format!("{wrong}[service.api]\n")));
    let few = evenkeel(&proxy, &["check"]);
    assert_eq!(few.status.code(), Some(2));
    let told = said(&few.stderr);
    assert_eq!(told.matches("error: there is no service `ap`").count(), 50);
    assert!(
        told.ends_with(&format!(
            "9900 mistakes in {}\n9850 more are not shown: `evenkeel check --all` tells all\n",
            proxy.path("proxy.toml").display()
        )),
        "{}",
        &told[told.len() - 300..]
    );
    let all = said(&evenkeel(&proxy, &["check", "--all"]).stderr);
    assert_eq!(all.matches("error: there is no service `ap`").count(), 9_900);
    // the log does not get megabytes, while the answer has them all as JSON
    let answer = proxy.admin_call("POST", "/api/v1/reload", "").unwrap();
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(answer["mistakes"].as_array().unwrap().len(), 9_900);
    assert!(answer["detail"].as_str().unwrap().ends_with("9850 more are not shown\n"));
}
