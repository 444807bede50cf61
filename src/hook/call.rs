//! What a hook is told: for what it is called, as variables of its environment and in place of `${...}`.

use std::borrow::Cow;

/// For what a hook is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The service.
    pub service: String,
    /// The id of the backend; `None` = the service as a whole.
    pub backend: Option<String>,
    /// The address of the backend, if it has one.
    pub address: Option<String>,
    /// The fault, by its name in the API.
    pub fault: String,
    /// The number of the attempt.
    pub attempt: i64,
    /// Which attempt of this strategy against this fault it is, from 1.
    pub number: u32,
    /// The fencing token: it only grows, so that a receiver can refuse who has been superseded. `None` = it is not given yet.
    pub token: Option<i64>,
    /// A number that no other run of this instance has, so that a receiver can tell a call that is made again from a new one.
    pub run: i64,
    /// What is to be done: `act`, `undo` or `down`.
    pub role: &'static str,
    /// The name of the strategy.
    pub strategy: String,
}

impl Call {
    /// What can stand in `${...}`, each with its value; what there is none of is empty.
    fn values(&self) -> [(&'static str, Cow<'_, str>); 9] {
        [
            ("service", (&self.service).into()),
            ("backend", self.backend.as_deref().unwrap_or_default().into()),
            ("address", self.address.as_deref().unwrap_or_default().into()),
            ("fault", (&self.fault).into()),
            ("attempt", self.attempt.to_string().into()),
            ("number", self.number.to_string().into()),
            ("strategy", (&self.strategy).into()),
            ("role", self.role.into()),
            ("token", self.token().into()),
        ]
    }

    /// The token as text; one that is not given yet stands as it is written in the configuration.
    pub(super) fn token(&self) -> String {
        self.token.map_or_else(|| "${token}".to_owned(), |token| token.to_string())
    }

    /// The variables that a command gets, such as `EVENKEEL_SERVICE`.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let variable =
            |(name, value): (&str, Cow<'_, str>)| (format!("EVENKEEL_{}", name.to_uppercase()), value.into_owned());
        let fencing = [("fencing_token", Cow::from(self.token()))];
        self.values().into_iter().chain(fencing).map(variable).collect::<Vec<_>>().into_iter()
    }

    /// The text with each `${name}` replaced by what `quote` makes of its value. It is read once: a value that looks like `${...}` stays as it is,
    /// and so does a name that is not known.
    pub(super) fn fill(&self, text: &str, quote: impl Fn(&str) -> String) -> String {
        let values = self.values();
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let known = from.find('}').and_then(|end| {
                let name = &from[2..end];
                let (_, value) = values.iter().find(|(known, _)| *known == name)?;
                Some((value, &from[end + 1..]))
            });
            rest = match known {
                Some((value, after)) => {
                    filled.push_str(&quote(value));
                    after
                }
                None => {
                    filled.push_str("${");
                    &from[2..]
                }
            };
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            service: "api".to_owned(),
            backend: Some("a b;${token}".to_owned()),
            fault: "unresponsive".to_owned(),
            attempt: 7,
            number: 2,
            token: Some(9),
            role: "act",
            strategy: "restart".to_owned(),
            ..Call::default()
        }
    }

    #[test]
    fn what_is_known_is_replaced_once_and_all_else_stays() {
        let fill = |text| call().fill(text, str::to_owned);
        assert_eq!(fill("api@${backend}.service"), "api@a b;${token}.service");
        assert_eq!(fill("${attempt}/${number}/${token}/${role}"), "7/2/9/act");
        assert_eq!(fill("${address}|${service}|${fault}|${strategy}"), "|api|unresponsive|restart");
        assert_eq!(fill("${HOME} $x ${ ${x${attempt}} ${"), "${HOME} $x ${ ${x7} ${");
        assert_eq!(fill("ü${service}ü"), "üapiü");
    }

    #[test]
    fn variables_are_all_there_and_empty_where_there_is_nothing_to_say() {
        let variables: Vec<_> = call().variables().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            variables,
            [
                "EVENKEEL_SERVICE=api",
                "EVENKEEL_BACKEND=a b;${token}",
                "EVENKEEL_ADDRESS=",
                "EVENKEEL_FAULT=unresponsive",
                "EVENKEEL_ATTEMPT=7",
                "EVENKEEL_NUMBER=2",
                "EVENKEEL_STRATEGY=restart",
                "EVENKEEL_ROLE=act",
                "EVENKEEL_TOKEN=9",
                "EVENKEEL_FENCING_TOKEN=9",
            ]
        );
    }
}
