//! What differs between two texts, line by line.

/// Equal lines around a difference that are shown.
const AROUND: usize = 3;

/// Lines of `old` with `-`, of `new` with `+`, and what is equal around them.
pub(crate) fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let after = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (gone, come) = (&old_rest[..old_rest.len() - after], &new_rest[..new_rest.len() - after]);
    let mut shown: Vec<(char, &str)> = old[..before].iter().map(|line| (' ', *line)).collect();
    shown.extend(middle(gone, come));
    shown.extend(old[old.len() - after..].iter().map(|line| (' ', *line)));
    excerpt(&shown)
}

/// The longest common subsequence keeps its lines; everything else goes or comes.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            common[at * width + to] = match old[at] == new[to] {
                true => common[(at + 1) * width + to + 1] + 1,
                false => common[(at + 1) * width + to].max(common[at * width + to + 1]),
            };
        }
    }
    let (mut at, mut to, mut found) = (0, 0, Vec::new());
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            found.push((' ', old[at]));
            (at, to) = (at + 1, to + 1);
        } else if to == new.len() || at < old.len() && common[(at + 1) * width + to] >= common[at * width + to + 1] {
            found.push(('-', old[at]));
            at += 1;
        } else {
            found.push(('+', new[to]));
            to += 1;
        }
    }
    found
}

fn excerpt(lines: &[(char, &str)]) -> String {
    let differs: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].0 != ' ').collect();
    let near = |at: usize| differs.iter().any(|found| found.abs_diff(at) <= AROUND);
    let mut shown = String::new();
    let mut number = 0;
    let mut hidden = true;
    for (at, (sign, line)) in lines.iter().enumerate() {
        number += usize::from(*sign != '+');
        match near(at) {
            true if hidden => shown.push_str(&format!("  line {}:\n{sign} {line}\n", number.max(1))),
            true => shown.push_str(&format!("{sign} {line}\n")),
            false => {}
        }
        hidden = !near(at);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_difference_is_shown_with_what_is_around_it() {
        let old: Vec<String> = (1..=20).map(|number| format!("line {number}")).collect();
        let mut new = old.clone();
        new[9] = "changed".to_owned();
        new.insert(15, "added".to_owned());
        let shown = lines(&old.join("\n"), &new.join("\n"));
        assert!(shown.starts_with("  line 7:\n  line 7\n"), "{shown}");
        assert!(shown.contains("- line 10\n+ changed\n") && shown.contains("+ added\n"), "{shown}");
        assert!(!shown.contains("line 6\n") && !shown.contains("line 19"), "{shown}");
        assert_eq!(lines("a\n", "a\n"), "");
    }
}
