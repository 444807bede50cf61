//! How a word or a figure is to be understood. The view gives each tone a colour; the word itself says the same.

/// How something is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It is as it should be.
    Good,
    /// Somebody should look at it.
    Warn,
    /// Clients notice it.
    Bad,
    /// It is beside the point.
    Soft,
    /// It is what it is.
    Plain,
}

/// The share of failed requests from which it is shown as bad. Below it, and above 0, it is a warning.
const BAD_ERRORS: f64 = 0.05;

/// The share of the error budget below which it is shown as a warning. At 0 it is bad.
const LITTLE_BUDGET: f64 = 0.25;

/// How a share of failed requests is to be understood.
pub fn of_errors(share: Option<f64>) -> Tone {
    match share {
        None => Tone::Soft,
        Some(share) if share >= BAD_ERRORS => Tone::Bad,
        Some(share) if share > 0.0 => Tone::Warn,
        Some(_) => Tone::Plain,
    }
}

/// How the rest of an error budget is to be understood.
pub fn of_budget(left: Option<f64>) -> Tone {
    match left {
        None => Tone::Soft,
        Some(left) if left <= 0.0 => Tone::Bad,
        Some(left) if left < LITTLE_BUDGET => Tone::Warn,
        Some(_) => Tone::Plain,
    }
}

/// How a figure is to be understood that is only there or not.
pub fn of_figure(figure: Option<f64>) -> Tone {
    if figure.is_some() { Tone::Plain } else { Tone::Soft }
}

/// How the level of an event is to be understood.
pub fn of_level(level: &str) -> Tone {
    match level {
        "error" => Tone::Bad,
        "warn" => Tone::Warn,
        _ => Tone::Soft,
    }
}
