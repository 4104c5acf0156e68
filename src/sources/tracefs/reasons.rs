//! The numbers behind the reasons of this kernel, which differ from version to version, and the filter made of them.

use crate::facts::watched::meaning;

/// A filter for `skb:kfree_skb`: packets of one protocol, freed while one thread ran, for a reason that matters. `format`
/// is the event's own description; kernels before 5.17 know no reasons.
pub(super) fn filter(format: &str, thread: i32, protocol: u16) -> String {
    let filter = format!("common_pid == {thread} && protocol == {protocol}");
    let ranges = ranges(numbers(format));
    if has_field(format, "reason") && !ranges.is_empty() {
        let parts: Vec<String> =
            ranges
                .iter()
                .map(|(from, to)| {
                    if from == to {
                        format!("reason == {from}")
                    } else {
                        format!("(reason >= {from} && reason <= {to})")
                    }
                })
                .collect();
        return format!("{filter} && ({})", parts.join(" || "));
    }
    filter
}

/// Has the event this field?
fn has_field(format: &str, name: &str) -> bool {
    let field =
        |line: &str| line.trim().strip_prefix("field:")?.split(';').next()?.rsplit(' ').next().map(str::to_owned);
    format.lines().filter_map(field).any(|field| field == name)
}

/// Numbers of the reasons that matter, from `{ 3, "NO_SOCKET" }` and the like.
fn numbers(format: &str) -> Vec<u32> {
    let print = format.lines().find(|line| line.starts_with("print fmt:")).unwrap_or_default();
    let pair = |text: &str| -> Option<(u32, String)> {
        let (number, rest) = text.split_once(',')?;
        Some((number.trim().parse().ok()?, rest.trim().trim_matches(['"', '}', ' ', ')', ',']).to_owned()))
    };
    let mut numbers: Vec<u32> = print
        .split('{')
        .filter_map(|part| pair(part.split('}').next()?))
        .filter(|(_, name)| meaning(name).is_some())
        .map(|(number, _)| number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Numbers in a row put together.
fn ranges(numbers: Vec<u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(number) => *to = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Of a 6.18 kernel, shortened.
    const FORMAT: &str = concat!(
        "name: kfree_skb\nID: 2310\nformat:\n",
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n",
        "\tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;\n",
        "\tfield:unsigned short protocol;\toffset:32;\tsize:2;\tsigned:0;\n",
        "\tfield:enum skb_drop_reason reason;\toffset:36;\tsize:4;\tsigned:0;\n\n",
        "print fmt: \"skbaddr=%p protocol=%u location=%pS reason: %s\", REC->skbaddr, REC->protocol, REC->location, ",
        "__print_symbolic(REC->reason, { 2, \"NOT_SPECIFIED\" }, { 3, \"NO_SOCKET\" }, { 10, \"TCP_CSUM\" }, ",
        "{ 11, \"UDP_CSUM\" }, { 12, \"NETFILTER_DROP\" }, { 13, \"OTHERHOST\" }, { 40, \"TCP_LISTEN_OVERFLOW\" }, ",
        "{ 128, \"MAX\" })\n",
    );

    #[test]
    fn only_reasons_that_matter_pass() {
        assert_eq!(
            filter(FORMAT, 77, 2048),
            "common_pid == 77 && protocol == 2048 && \
             (reason == 3 || (reason >= 10 && reason <= 12) || reason == 40)"
        );
    }

    #[test]
    fn a_kernel_without_reasons_is_asked_for_the_protocol_alone() {
        let old = FORMAT.replace("skb_drop_reason reason;", "nothing;");
        assert_eq!(filter(&old, 77, 2048), "common_pid == 77 && protocol == 2048");
        assert_eq!(filter("", 77, 2048), "common_pid == 77 && protocol == 2048");
    }

    proptest! {
        #[test]
        fn any_format_makes_a_filter(at in 0..FORMAT.len(), byte in any::<char>(), text in ".{0,80}") {
            let (head, tail) = FORMAT.split_at(at);
            for format in [format!("{head}{byte}{tail}"), head.to_owned(), text.clone()] {
                prop_assert!(filter(&format, 7, 2048).starts_with("common_pid == 7"));
            }
        }
    }
}
