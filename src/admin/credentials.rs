//! By what somebody was let in, and for how long that holds. A stream of events asks: it ends when whoever opened it would not be let
//! in again.

use std::sync::Arc;

use tokio::time::sleep;

use super::Shared;
use super::logins::Login;
use crate::clock::Moment;
use crate::policy::AdminToken;

/// What a request has shown. The guard has looked at it, and each request that it lets through carries it as an extension.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    /// The token; `None` = none is asked for.
    pub(super) token: Option<AdminToken>,
    /// The login whose cookie stands for the token.
    pub(super) login: Option<Login>,
}

impl Credentials {
    /// Waits until they let nobody in any more: the token was taken away or has another secret, or the login has ended.
    pub(super) async fn end(self, shared: Arc<Shared>) {
        let mut changes = shared.access_changed.subscribe();
        while self.hold(&shared, Moment::now()) {
            let expiry = async {
                match &self.login {
                    Some(login) => sleep(login.until().since(Moment::now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = expiry => {}
            }
        }
    }

    /// Whether they would let somebody in at `now`.
    fn hold(&self, shared: &Shared, now: Moment) -> bool {
        let tokens = shared.tokens.load();
        let has_token = match &self.token {
            Some(token) => tokens.still(token).is_some(),
            None => tokens.is_empty(),
        };
        has_token && self.login.as_ref().is_none_or(|login| shared.logins().is_open(login, now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::logins::LIFE;
    use crate::admin::routes;
    use crate::policy::{Access, TokenSecret};

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_login_lets_nobody_in_once_its_time_is_over() {
        let shared = routes::tests::shared(Some("s3cret"));
        let token = AdminToken { name: "admin".into(), secret: TokenSecret::new("s3cret"), access: Access::Write };
        // it began so long ago that it ends in a moment
        let life = u64::try_from(LIFE.as_millis()).unwrap();
        let began = Moment::from_millis(Moment::now().as_millis() + 50 - life);
        let id = shared.logins().open(token.clone(), [[1; 32], [2; 32]], began);
        let headers = http::HeaderMap::from_iter([(
            http::header::COOKIE,
            http::HeaderValue::from_str(&format!("{}={id}", crate::admin::logins::COOKIE_NAME)).unwrap(),
        )]);
        let login = shared.logins().find(&headers, began).cloned();
        let credentials = Credentials { token: Some(token), login };
        assert!(credentials.login.is_some() && credentials.hold(&shared, began));
        tokio::time::timeout(PATIENCE, credentials.end(shared)).await.unwrap();
    }
}
