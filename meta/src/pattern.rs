//! Can a name match both of two patterns? And which patterns match a name?

pub use model::pattern::matches_pattern as glob;

/// Whether there is a text that both patterns match, in which `*` stands for any characters.
pub fn overlap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // reach[j]: the first i characters of `a` and the first j of `b` can stand for the same text.
    let mut reach = vec![false; b.len() + 1];
    for i in 0..=a.len() {
        let mut left = false;
        let mut corner = i == 0;
        for j in 0..=b.len() {
            let above = i > 0 && reach[j];
            let same = i > 0 && j > 0 && corner && (a[i - 1] == b[j - 1]);
            let star_a = i > 0 && a[i - 1] == '*' && (above || left);
            let star_b = j > 0 && b[j - 1] == '*' && (above || left);
            let start = i == 0 && j == 0;
            let through = i > 0 && j > 0 && corner && (a[i - 1] == '*' || b[j - 1] == '*');
            corner = above;
            let now = start || same || star_a || star_b || through;
            reach[j] = now;
            left = now;
        }
    }
    reach[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_when_a_name_matches_both() {
        let cases = [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "ab*", true),
            ("a*", "b*", false),
            ("a*c", "ab*", true),
            ("*a", "b*", true),
            ("*a", "*b", false),
            ("logs-*-*", "logs-app-*", true),
            ("logs-*-*", "logs", false),
            ("", "*", true),
            ("", "a", false),
            ("a*b*c", "a*x*c", true),
        ];
        for (a, b, want) in cases {
            assert_eq!(overlap(a, b), want, "{a} {b}");
            assert_eq!(overlap(b, a), want, "{b} {a}");
        }
    }
}
