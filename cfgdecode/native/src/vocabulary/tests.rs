use super::*;
use crate::lexer::{ConfigId, DEAD, Lexer, LexerLimits, LexerSpec, Mode, Node, TerminalSpec};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Names, a keyword, numbers, two operators of which one begins as the other, comments; space is ignored.
fn effects(mode: Mode) -> Effects {
    let set = |ranges: &[(char, char)]| Node::Set(ranges.iter().map(|&(low, high)| (low as u32, high as u32)).collect());
    let plus = |node: Node| Node::Rep { min: 1, max: None, greedy: true, node: Box::new(node) };
    let lit = |text: &str| Node::Lit(text.to_owned());
    let star = |node: Node| Node::Rep { min: 0, max: None, greedy: true, node: Box::new(node) };
    let comment = Node::Cat(vec![lit("/*"), star(set(&[('a', 'z'), (' ', ' ')])), lit("*/")]);
    let nodes = [lit("if"), plus(set(&[('a', 'z')])), plus(set(&[('0', '9')])), lit("+"), lit("++"), lit("("), comment, plus(lit(" "))];
    let terminals: Vec<TerminalSpec> = nodes.into_iter().map(|node| TerminalSpec { name: String::new(), node }).collect();
    let n = terminals.len();
    let scanner = if mode == Mode::Basic { (0..n as u32).collect() } else { Vec::new() };
    let spec = LexerSpec { mode, terminals, ignore: vec![n as u32 - 1], scanner, keywords: Vec::new() };
    let ignore = spec.ignore.clone();
    Effects::new(Lexer::new(spec, LexerLimits::default()).unwrap(), &ignore, n, usize::MAX)
}

/// All texts of one to three of these characters.
fn vocabulary() -> Vocabulary {
    let letters = "if1+( /*";
    let mut texts: Vec<String> = letters.chars().map(String::from).collect();
    let mut at = 0;
    while texts[at].len() < 3 {
        texts.extend(letters.chars().map(|c| format!("{}{c}", texts[at])).collect::<Vec<_>>());
        at += 1;
    }
    let mut offsets = vec![0];
    texts.iter().for_each(|text| offsets.push(offsets.last().unwrap() + text.len() as u32));
    let n = texts.len();
    Vocabulary::new(texts.concat().into_bytes(), offsets, vec![false; n], Vec::new(), None, None, n as u32)
}

fn configs(effects: &mut Effects) -> Vec<ConfigId> {
    let mut found = vec![effects.lexer.start()];
    let mut seen: BTreeSet<ConfigId> = found.iter().copied().collect();
    let mut at = 0;
    while at < found.len() {
        let mut next: Vec<ConfigId> = b"ifa1+( /*".iter().map(|&byte| effects.lexer.step(found[at], byte)).collect();
        next.extend(effects.lexer.cuts(found[at]).iter().map(|cut| cut.1));
        found.extend(next.into_iter().filter(|&c| c != DEAD && seen.insert(c)));
        at += 1;
    }
    found
}

/// A token behind a group does what it does behind each of the group's tokens.
#[test]
fn a_token_behind_a_group_is_read_as_the_rest_of_its_tokens() {
    for mode in [Mode::Basic, Mode::Dynamic, Mode::DynamicComplete] {
        let (mut effects, vocabulary) = (effects(mode), vocabulary());
        let n = vocabulary.len() as u32;
        let mut n_alive = 0;
        for (k, c) in configs(&mut effects).into_iter().enumerate() {
            for behind in 0..n {
                let tokens: Vec<TokenId> = (0..n).filter(|t| (t * 7 + behind * 3 + k as u32).is_multiple_of(61)).collect();
                let of_each: BTreeSet<EffectId> = tokens.iter().map(|&t| effects.of_token(&vocabulary, c, t)).collect();
                let group = effects.group_of(&of_each.into_iter().collect::<Vec<_>>());
                let texts = tokens.iter().map(|&t| [vocabulary.text(t), vocabulary.text(behind)].concat());
                let together: BTreeSet<EffectId> = texts.map(|text| effects.of_bytes(c, &text)).collect();
                let want = effects.group_of(&together.into_iter().collect::<Vec<_>>());
                match effects.group_behind(&vocabulary, &group, behind) {
                    Some(found) => assert_eq!(found.id, want.id, "{mode:?} {c:?} {tokens:?} {behind}"),
                    None => assert!(want.ends.is_empty() && want.emits.is_empty(), "{mode:?} {c:?} {tokens:?} {behind}"),
                }
                n_alive += usize::from(!want.ends.is_empty() || !want.emits.is_empty());
            }
        }
        assert!(n_alive > 1_000, "{n_alive}");
    }
}

/// What a list's tokens do is the same asked for at once or one by one.
#[test]
fn a_list_of_tokens_does_what_each_does() {
    let (mut effects, vocabulary) = (effects(Mode::Dynamic), vocabulary());
    let n = vocabulary.len() as u32;
    for c in configs(&mut effects) {
        for part in 0..5 {
            let list: Arc<[TokenId]> = (0..n).filter(|t| t % 5 == part).collect();
            let found = effects.going_on(&vocabulary, c, Some(&list)).first;
            let mut want: Vec<(EffectId, TokenId)> = Vec::new();
            for &t in list.iter() {
                let d = effects.lexer.step(c, vocabulary.text(t)[0]);
                let effect = effects.behind_first(&vocabulary, d, t);
                if effect != Effects::DEAD && !want.iter().any(|known| known.0 == effect) {
                    want.push((effect, t));
                }
            }
            assert_eq!(*found, want[..]);
        }
    }
}

#[test]
fn the_cuts_of_characters_are_told_from_the_bytes_of_tokens() {
    let texts: [&[u8]; 8] = [b"a", "\u{9d5d}".as_bytes(), b"\xe9\xb5", b"\x9d", b"\xb5\x9da", b"a\xe9", b"\x9d\xe9", b"\xff"];
    let mut offsets = vec![0];
    texts.iter().for_each(|text| offsets.push(offsets.last().unwrap() + text.len() as u32));
    let vocabulary = Vocabulary::new(texts.concat(), offsets, vec![false; 8], Vec::new(), None, None, 8);
    let of = |tokens: &crate::grammar::Bits| tokens.iter().collect::<Vec<_>>();
    let Cut { begun, ended, may_end } = vocabulary.cut();
    assert_eq!((of(begun), of(ended)), (vec![3, 4, 6], vec![2, 5, 6, 7]));
    assert_eq!(of(may_end), [2, 3, 5, 6, 7]); // what begins further left may go on behind the fourth
    assert_eq!(of(vocabulary.texts()), [0, 1, 2, 3, 4, 5, 6]); // no text has the last byte
    assert_eq!((vocabulary.first_byte(4), vocabulary.first_byte(8)), (Some(0xB5), None));
}
