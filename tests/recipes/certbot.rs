//! certbot.md

use super::Recipe;
use super::recipe::pair;
use super::support::certs::Authority;
use super::support::{Client, Origin, Port, wait_until};

/// What certbot does, as far as the proxy has to do with it: it asks for the file that it serves at port 8888 by the name that it is to prove, as the authority does,
/// and leaves a new pair in `archive`, to which links in `live` lead. `{issued}` has the pairs, `{etc}` is /etc/letsencrypt.
const CERTBOT: &str = r#"
[ "$*" = renew ] || [ "$*" = "certonly --standalone --http-01-port 8888 -d example.com" ] || exit 1
[ "$(curl -s http://example.com/.well-known/acme-challenge/token)" = token.thumbprint ] || { echo "Some challenges have failed."; exit 1; }
n=$(($(ls {etc}/archive 2>/dev/null | wc -l) + 1))
mkdir -p {etc}/archive {etc}/live/example.com
cp -r {issued}/$n {etc}/archive/$n
for file in privkey.pem fullchain.pem; do ln -sfn ../../archive/$n/$file {etc}/live/example.com/$file; done
if [ "$*" = renew ]; then
    echo "Congratulations, all renewals succeeded:"
    echo "  {etc}/live/example.com/fullchain.pem (success)"
    # what the page asks next is what comes of the renewal, within a moment
    for _ in $(seq 100); do
        curl -s http://127.0.0.1:9900/api/v1/events | grep -q certificate_changed && break
        sleep 0.1
    done
else
    echo "Successfully received certificate."
fi
"#;

#[test]
fn certificates_are_got_through_the_proxy_and_renewed_without_a_reload() {
    let port = Port::reserve();
    let certbot = Origin::script_at(port.address(), |conn| {
        // as certbot's server, it closes after an answer
        let Ok(request) = conn.request() else { return };
        assert_eq!(request.target(), "/.well-known/acme-challenge/token");
        conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\ntoken.thumbprint");
    });
    let app = Origin::saying("Hello from the backend.\n");
    let mut recipe = Recipe::open("certbot");
    let (etc, issued) = (recipe.path("etc/letsencrypt"), recipe.path("issued"));
    recipe.replace("/etc/letsencrypt/live", etc.join("live").to_str().unwrap());
    recipe.replace("127.0.0.1:8888", certbot.address());
    recipe.replace("10.0.0.11:8000", app.address());
    for number in ["1", "2"] {
        pair(&issued.join(number), &["example.com"]);
    }
    let script = CERTBOT.replace("{etc}", etc.to_str().unwrap());
    recipe.program("certbot", &script.replace("{issued}", issued.to_str().unwrap()));

    recipe.follow("Files");
    recipe.follow("Get the certificate");
    assert_eq!(certbot.requests().len(), 1);
    let other = recipe.client(80).get("/.well-known/other");
    assert_eq!((other.status, other.field("location")), (308, Some("https://a/.well-known/other")));

    recipe.follow("Serve it");
    let served = |recipe: &Recipe| {
        let trusting = Authority::shared().client(&["http/1.1"], None);
        Client::connect_tls(recipe.address(443), &trusting, "example.com").unwrap().certificate()
    };
    let (first, configuration) = (served(&recipe), recipe.status()["config_generation"].clone());
    assert!(!configuration.is_null());
    recipe.follow("Renew it");
    assert_eq!(certbot.requests().len(), 2);
    assert_ne!(served(&recipe), first);
    assert_eq!(recipe.status()["config_generation"], configuration, "nothing was reloaded");

    // while certbot does not listen, nobody is led anywhere else with a challenge
    drop((certbot, port));
    wait_until("nobody answers", || recipe.client(80).get("/.well-known/acme-challenge/token").status >= 500);
}
