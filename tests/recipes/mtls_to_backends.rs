//! mtls-to-backends.md

use super::Recipe;
use super::support::{Origin, wait_until};

#[test]
fn the_backend_answers_only_who_shows_the_right_certificate() {
    let application = Origin::saying("Hello from the application.\n");
    let mut recipe = Recipe::open("mtls-to-backends");
    recipe.replace("scripts/make-certs.sh", concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-certs.sh"));
    recipe.replace("127.0.0.1:8000", application.address());
    recipe.follow("Certificates");
    recipe.follow("The backend");
    let backend = recipe.address(8443).to_string();
    recipe.replace("10.0.0.11:8443", &backend);
    recipe.follow("The proxy");
    recipe.follow("Try it");

    // another client of the same authority has a good certificate, and the wrong name
    let make_certs = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/make-certs.sh");
    let ask = "curl -s -o /dev/null -w '%{http_code}' --cacert certs/ca.pem --cert certs/client.pem --key certs/client.key https://api.internal:8443/other";
    recipe.run(&format!("cp -r certs others && {make_certs} --client other.internal others"));
    assert_eq!(recipe.run(&ask.replace("certs/client", "others/client")), "403");
    assert!(!application.targets().contains(&"/other".to_owned()), "the application hears nothing of it");
    assert_eq!(recipe.run(ask), "200");

    // an authority of the same name is not the same authority
    recipe.run(&format!("{make_certs} --client edge.internal strangers"));
    let strangers = ask.replace("certs/client", "strangers/client");
    assert_eq!(recipe.run(&format!("{strangers} || true")), "000");

    let changed = |recipe: &Recipe| recipe.stderr().matches("certificate changed service=\"api\"").count();
    let before = changed(&recipe);
    recipe.follow("Renewal");
    wait_until("the renewed certificate is in force", || changed(&recipe) > before);
    assert_eq!(recipe.run("curl -s http://localhost/"), "Hello from the application.\n");
}
