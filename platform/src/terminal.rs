//! What can the terminal show? Whether output goes to one, and in colour.

use std::io::IsTerminal;

/// What stands at the other end of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A file or another program.
    Piped,
    /// A terminal without colours, by its kind or by the wish of its user (`NO_COLOR`).
    Plain,
    /// A terminal with colours.
    Coloured,
}

/// Looks at standard output and the environment.
pub fn output() -> Output {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if !std::io::stdout().is_terminal() {
        Output::Piped
    } else if set("NO_COLOR").is_some() || set("TERM").is_none_or(|term| term == "dumb") {
        Output::Plain
    } else {
        Output::Coloured
    }
}
