//! Does a text match an expression with `~` (not) and `&` (and)? By a table of states, made before
//! any text is looked at.
//!
//! The states are what is left of the expression after each character (Brzozowski's derivatives).
//! All other expressions are the `regex` crate's.
//!
//! ```text
//! union   := inter ("|" inter)*
//! inter   := concat ("&" concat)*
//! concat  := repeat+
//! repeat  := not ("?" | "*" | "+" | "{" n ("," m?)? "}")*
//! not     := "~" not | class | simple
//! simple  := "." | "#" | "@" | '"' text '"' | "(" union? ")" | "<" n "-" m ">" | "\" char | char
//! ```

use std::collections::{BTreeSet, HashMap};
use std::iter::Peekable;
use std::rc::Rc;
use std::str::Chars;

/// The most states.
const STATES_MAX: usize = 2_000;
/// The longest expression, in bytes: one step can cost its cube.
const TEXT_BYTES_MAX: usize = 250;
/// The most parts of what is left of an expression.
const PARTS_MAX: usize = 1_500;
/// The most parts of all that is left after each character, counted for every state.
const WORK_MAX: usize = 500_000;
/// The deepest groups.
const DEPTH_MAX: usize = 50;
/// The most repetitions that are written in an expression.
const REPEAT_MAX: u32 = 1_000;

/// A table of states.
#[derive(Clone, Debug)]
pub(super) struct Automaton {
    /// The first character of each class; rising, the first is 0.
    classes: Vec<u32>,
    /// For each state and class the next state.
    next: Vec<u32>,
    accepts: Vec<bool>,
}

impl Automaton {
    /// Compiles an expression.
    pub(super) fn new(text: &str, folds: bool) -> Result<Self, String> {
        let complex = || "it is too complex".to_owned();
        if text.len() > TEXT_BYTES_MAX {
            return Err(complex());
        }
        let mut parser = Parser { chars: text.chars().peekable(), folds, depth: 0 };
        let start = parser.union()?;
        if let Some(c) = parser.chars.next() {
            return Err(format!("unexpected `{c}`"));
        }
        let mut borders = BTreeSet::from([0]);
        start.borders(&mut borders);
        let classes: Vec<u32> = borders.into_iter().collect();
        let (mut known, mut states) = (HashMap::from([(start.clone(), 0u32)]), vec![start]);
        let (mut next, mut at, mut work) = (Vec::new(), 0, 0);
        while at < states.len() {
            let state = states[at].clone();
            at += 1;
            for class in &classes {
                let left = state.after(*class);
                let parts = left.parts();
                work += parts;
                if parts > PARTS_MAX || work > WORK_MAX {
                    return Err(complex());
                }
                let found = known.len() as u32;
                let number = *known.entry(left.clone()).or_insert(found);
                if number == found {
                    if states.len() >= STATES_MAX {
                        return Err(complex());
                    }
                    states.push(left);
                }
                next.push(number);
            }
        }
        let accepts = states.iter().map(|state| state.is_nullable()).collect();
        Ok(Self { classes, next, accepts })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut state = 0usize;
        for c in text.chars() {
            let class = self.classes.partition_point(|first| *first <= c as u32) - 1;
            state = self.next[state * self.classes.len() + class] as usize;
        }
        self.accepts[state]
    }
}

/// An expression. Lists are sorted and without doubles, so that equal ones look equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Re {
    /// No text.
    Nothing,
    /// The empty text.
    Empty,
    /// One character of these runs.
    Set(Rc<Vec<(u32, u32)>>),
    Then(Rc<Re>, Rc<Re>),
    Any(Rc<Vec<Re>>),
    All(Rc<Vec<Re>>),
    Not(Rc<Re>),
    /// At least so often, and at most, if there is a most.
    Repeat(Rc<Re>, u32, Option<u32>),
}

impl Re {
    fn anything() -> Re {
        Re::Not(Rc::new(Re::Nothing))
    }

    fn then(self, next: Re) -> Re {
        match (self, next) {
            (Re::Nothing, _) | (_, Re::Nothing) => Re::Nothing,
            (Re::Empty, one) | (one, Re::Empty) => one,
            // To the right, so that what is the same looks the same.
            (Re::Then(a, b), c) => Re::Then(a, Rc::new(Re::then(b.as_ref().clone(), c))),
            (a, b) => Re::Then(Rc::new(a), Rc::new(b)),
        }
    }

    fn any(list: Vec<Re>) -> Re {
        let mut out = BTreeSet::new();
        for re in list {
            match re {
                Re::Nothing => {}
                Re::Any(more) => out.extend(more.iter().cloned()),
                re => drop(out.insert(re)),
            }
        }
        if out.contains(&Re::anything()) {
            return Re::anything();
        }
        let mut out: Vec<Re> = out.into_iter().collect();
        match out.len() {
            0 => Re::Nothing,
            1 => out.swap_remove(0),
            _ => Re::Any(Rc::new(out)),
        }
    }

    fn all(list: Vec<Re>) -> Re {
        let mut out = BTreeSet::new();
        for re in list {
            match re {
                Re::Nothing => return Re::Nothing,
                Re::All(more) => out.extend(more.iter().cloned()),
                re if re == Re::anything() => {}
                re => drop(out.insert(re)),
            }
        }
        let mut out: Vec<Re> = out.into_iter().collect();
        match out.len() {
            0 => Re::anything(),
            1 => out.swap_remove(0),
            _ => Re::All(Rc::new(out)),
        }
    }

    fn not(self) -> Re {
        match self {
            Re::Not(re) => re.as_ref().clone(),
            re => Re::Not(Rc::new(re)),
        }
    }

    fn repeat(self, least: u32, most: Option<u32>) -> Re {
        match (self, least, most) {
            (_, _, Some(0)) | (Re::Nothing, 0, _) | (Re::Empty, ..) => Re::Empty,
            (Re::Nothing, ..) => Re::Nothing,
            (re, 1, Some(1)) => re,
            (re, least, most) => Re::Repeat(Rc::new(re), least, most),
        }
    }

    fn is_nullable(&self) -> bool {
        match self {
            Re::Nothing | Re::Set(_) => false,
            Re::Empty => true,
            Re::Then(a, b) => a.is_nullable() && b.is_nullable(),
            Re::Any(list) => list.iter().any(Re::is_nullable),
            Re::All(list) => list.iter().all(Re::is_nullable),
            Re::Not(re) => !re.is_nullable(),
            Re::Repeat(re, least, _) => *least == 0 || re.is_nullable(),
        }
    }

    /// What is left to match after a character.
    fn after(&self, c: u32) -> Re {
        match self {
            Re::Nothing | Re::Empty => Re::Nothing,
            Re::Set(runs) => match runs.iter().any(|(from, to)| *from <= c && c <= *to) {
                true => Re::Empty,
                false => Re::Nothing,
            },
            Re::Then(a, b) => {
                let first = a.after(c).then(b.as_ref().clone());
                match a.is_nullable() {
                    true => Re::any(vec![first, b.after(c)]),
                    false => first,
                }
            }
            Re::Any(list) => Re::any(list.iter().map(|re| re.after(c)).collect()),
            Re::All(list) => Re::all(list.iter().map(|re| re.after(c)).collect()),
            Re::Not(re) => re.after(c).not(),
            Re::Repeat(re, least, most) => {
                let rest = re.as_ref().clone().repeat(least.saturating_sub(1), most.map(|m| m - 1));
                re.after(c).then(rest)
            }
        }
    }

    /// The characters at which what matches can change.
    fn borders(&self, out: &mut BTreeSet<u32>) {
        match self {
            Re::Nothing | Re::Empty => {}
            Re::Set(runs) => {
                for (from, to) in runs.iter() {
                    out.extend([*from, to.saturating_add(1)]);
                }
            }
            Re::Then(a, b) => {
                a.borders(out);
                b.borders(out);
            }
            Re::Any(list) | Re::All(list) => list.iter().for_each(|re| re.borders(out)),
            Re::Not(re) | Re::Repeat(re, ..) => re.borders(out),
        }
    }

    fn parts(&self) -> usize {
        match self {
            Re::Nothing | Re::Empty | Re::Set(_) => 1,
            Re::Then(a, b) => 1 + a.parts() + b.parts(),
            Re::Any(list) | Re::All(list) => 1 + list.iter().map(Re::parts).sum::<usize>(),
            Re::Not(re) | Re::Repeat(re, ..) => 1 + re.parts(),
        }
    }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
    folds: bool,
    depth: usize,
}

impl Parser<'_> {
    fn union(&mut self) -> Result<Re, String> {
        let mut list = vec![self.inter()?];
        while self.chars.next_if_eq(&'|').is_some() {
            list.push(self.inter()?);
        }
        Ok(Re::any(list))
    }

    fn inter(&mut self) -> Result<Re, String> {
        let mut list = vec![self.concat()?];
        while self.chars.next_if_eq(&'&').is_some() {
            list.push(self.concat()?);
        }
        Ok(Re::all(list))
    }

    fn concat(&mut self) -> Result<Re, String> {
        let mut list = Vec::new();
        while self.chars.peek().is_some_and(|c| !matches!(c, ')' | '|' | '&')) {
            list.push(self.repeat()?);
        }
        Ok(list.into_iter().rev().fold(Re::Empty, |rest, re| re.then(rest)))
    }

    fn repeat(&mut self) -> Result<Re, String> {
        let mut re = self.not()?;
        while let Some(c) = self.chars.next_if(|c| matches!(c, '?' | '*' | '+' | '{')) {
            let (least, most) = match c {
                '?' => (0, Some(1)),
                '*' => (0, None),
                '+' => (1, None),
                _ => self.times()?,
            };
            re = re.repeat(least, most);
        }
        Ok(re)
    }

    fn times(&mut self) -> Result<(u32, Option<u32>), String> {
        let bad = || "`{` must be `{n}`, `{n,}` or `{n,m}`".to_owned();
        let least = self.number().ok_or_else(bad)?;
        let most = match self.chars.next_if_eq(&',') {
            None => Some(least),
            Some(_) => self.number(),
        };
        self.chars.next_if_eq(&'}').ok_or_else(bad)?;
        if least.max(most.unwrap_or(0)) > REPEAT_MAX || most.is_some_and(|most| most < least) {
            return Err(format!("repetitions must rise and be at most {REPEAT_MAX}"));
        }
        Ok((least, most))
    }

    fn number(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
            digits.push(c);
        }
        digits.parse().ok()
    }

    fn not(&mut self) -> Result<Re, String> {
        let mut negated = false;
        while self.chars.next_if_eq(&'~').is_some() {
            negated = !negated;
        }
        let re = self.simple()?;
        Ok(if negated { re.not() } else { re })
    }

    fn simple(&mut self) -> Result<Re, String> {
        let Some(c) = self.chars.next() else { return Err("the expression ends too early".into()) };
        Ok(match c {
            '.' => set(vec![(0, u32::MAX)]),
            '#' => Re::Nothing,
            '@' => Re::anything(),
            '"' => {
                let mut list = Vec::new();
                loop {
                    match self.chars.next() {
                        None => return Err("`\"` is not closed".to_owned()),
                        Some('"') => break,
                        Some(c) => list.push(self.one(c)),
                    }
                }
                list.into_iter().rev().fold(Re::Empty, |rest, re| re.then(rest))
            }
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err("its groups are nested too deeply".to_owned());
                }
                let re = self.union()?;
                self.chars.next_if_eq(&')').ok_or("`(` is not closed")?;
                self.depth -= 1;
                re
            }
            '[' => self.class()?,
            '<' => self.interval()?,
            '\\' => match self.chars.next() {
                None => return Err("`\\` at the end escapes nothing".to_owned()),
                Some(c) => match named(c) {
                    Some(runs) => set(runs),
                    None => self.one(c),
                },
            },
            '*' | '+' | '?' | '{' => return Err(format!("`{c}` has nothing to repeat")),
            c => self.one(c),
        })
    }

    fn one(&self, c: char) -> Re {
        let mut runs = Vec::new();
        self.push((c, c), &mut runs);
        set(runs)
    }

    /// Adds a run, and its letters in the other case.
    fn push(&self, (from, to): (char, char), out: &mut Vec<(u32, u32)>) {
        out.push((from as u32, to as u32));
        if !self.folds || to as u32 - from as u32 > 0x1000 {
            return;
        }
        for c in from..=to {
            if c.is_ascii() {
                let other = if c.is_ascii_lowercase() {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                };
                out.push((other as u32, other as u32));
                continue;
            }
            for other in c.to_lowercase().chain(c.to_uppercase()).filter(|o| !o.is_ascii()) {
                out.push((other as u32, other as u32));
            }
        }
    }

    fn class(&mut self) -> Result<Re, String> {
        let unclosed = || "`[` is not closed".to_owned();
        let negated = self.chars.next_if_eq(&'^').is_some();
        let (mut runs, mut first) = (Vec::new(), true);
        loop {
            let from = match self.chars.next().ok_or_else(unclosed)? {
                ']' if !first => break,
                '\\' => {
                    let c = self.chars.next().ok_or_else(unclosed)?;
                    if let Some(more) = named(c) {
                        runs.extend(more);
                        first = false;
                        continue;
                    }
                    c
                }
                c => c,
            };
            first = false;
            let mut ahead = self.chars.clone();
            let is_run = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
            let to = match is_run {
                false => from,
                true => {
                    self.chars.next();
                    match self.chars.next().ok_or_else(unclosed)? {
                        '\\' => self.chars.next().ok_or_else(unclosed)?,
                        c => c,
                    }
                }
            };
            if to < from {
                return Err(format!("the run `{from}-{to}` falls"));
            }
            self.push((from, to), &mut runs);
        }
        Ok(match set(runs) {
            Re::Set(runs) if negated => set(inverted(&runs)),
            re => re,
        })
    }

    /// `<n-m>`; with as many digits on both sides, numbers have leading zeros.
    fn interval(&mut self) -> Result<Re, String> {
        let mut body = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_digit() || *c == '-') {
            body.push(c);
        }
        self.chars.next_if_eq(&'>').ok_or("`<` must be `<n-m>`")?;
        let mut list = Vec::new();
        let (zeros, alternatives) = super::pattern::interval(&body)?;
        for alternative in alternatives {
            let mut re = Re::Empty;
            for (from, to) in alternative.into_iter().rev() {
                re = set(vec![(from as u32, to as u32)]).then(re);
            }
            list.push(re);
        }
        let zeros = if zeros { self.one('0').repeat(0, None) } else { Re::Empty };
        Ok(zeros.then(Re::any(list)))
    }
}

fn named(c: char) -> Option<Vec<(u32, u32)>> {
    let runs = |list: &[(char, char)]| list.iter().map(|(a, b)| (*a as u32, *b as u32)).collect();
    let positive: Vec<(u32, u32)> = match c.to_ascii_lowercase() {
        'd' => runs(&[('0', '9')]),
        'w' => runs(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        's' => runs(&[('\t', '\n'), ('\r', '\r'), (' ', ' ')]),
        _ => return None,
    };
    Some(if c.is_ascii_uppercase() { inverted(&positive) } else { positive })
}

/// The characters outside of rising runs.
fn inverted(runs: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let (mut out, mut open) = (Vec::new(), Some(0));
    for (from, to) in runs {
        if let Some(start) = open.filter(|start| start < from) {
            out.push((start, from - 1));
        }
        open = to.checked_add(1);
    }
    out.extend(open.map(|start| (start, u32::MAX)));
    out
}

/// One character of runs, which are put in order.
fn set(mut runs: Vec<(u32, u32)>) -> Re {
    runs.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(runs.len());
    for (from, to) in runs {
        match out.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => out.push((from, to)),
        }
    }
    if out.is_empty() { Re::Nothing } else { Re::Set(Rc::new(out)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "([a-c0-9~&|#@.<>-]|\\[a-c\\]|[*+?]|\\{[0-9]{1,4},?[0-9]{0,4}\\}|[()]){0,30}") {
            for text in [text.clone(), format!("{text}&~a")] {
                let test = crate::ast::TextTest { text, fold: true };
                let _ = crate::test::Pattern::regex(&test);
            }
        }
    }

    #[test]
    fn expressions_with_not_and_and() {
        let cases = [
            ("a~bc", "adc", true),
            ("a~bc", "abc", false),
            ("a~bc", "ac", true),
            ("~(foo.*)", "foobar", false),
            ("~(foo.*)", "barfoo", true),
            ("aaa.+&.+bbb", "aaabb", false),
            ("aaa.+&.+bbb", "aaabbb", true),
            ("@&~(.*err.*)", "an error", false),
            ("@&~(.*err.*)", "all is well", true),
            ("~~abc", "abc", true),
            ("a#|b&b", "b", true),
            ("a#|b&b", "a", false),
            ("<1-10>&~5", "5", false),
            ("<1-10>&~5", "7", true),
            ("[a-c]{2,3}&~(abc)", "abc", false),
            ("[a-c]{2,3}&~(abc)", "acb", true),
            ("[^a-c]+&~x", "ab", false),
            ("\\d+&~1", "12", true),
            ("\"a.b\"|~.*", "a.b", true),
            ("(a|b)*&~(.*aa.*)", "ababa", true),
            ("(a|b)*&~(.*aa.*)", "abaab", false),
            ("~", "", false),
        ];
        for (text, value, want) in cases {
            match Automaton::new(text, false) {
                Ok(automaton) => assert_eq!(automaton.matches(value), want, "{text} {value}"),
                Err(error) => assert!(text == "~" && !error.is_empty(), "{text}: {error}"),
            }
        }
        assert!(Automaton::new("ÄB~c", true).unwrap().matches("äbd"));
        for bad in ["(a&b", "a{2", "<1->&a", "[a&", "a&b)", "*&a"] {
            assert!(Automaton::new(bad, false).is_err(), "{bad}");
        }
        let large = format!("~({})", "(.*a.{900})".repeat(3));
        assert!(Automaton::new(&large, false).unwrap_err().contains("too complex"));
        for hard in ["~([a-\u{1000}]*b.{40})".to_owned(), "&a".repeat(100), "~a".repeat(100)] {
            let _ = Automaton::new(&hard, true);
        }
        assert!(Automaton::new(&"a&".repeat(5_000), true).is_err());
    }
}
