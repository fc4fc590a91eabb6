//! The style sheet of a picture, made from the palette: light, and dark where the reader's page is dark.

use std::fmt::Write as _;

use crate::palette::{LOOKS, TINTS};

/// The class that keeps these rules from a page that the picture is put into.
pub(super) const CLASS: &str = "bothends-ladder";

/// Page and hairline colours, which no terminal needs: variable, light, dark.
const PAGE: [(&str, &str, &str); 3] =
    [("page", "#ffffff", "#0d1117"), ("border", "#d8dee4", "#30363d"), ("hairline", "#e4e8ec", "#21262d")];

/// The rules that use the variables: selector, property, variable.
const COLOURED: [(&str, &str, &str); 19] = [
    (".page", "fill", "page"),
    (".page", "stroke", "border"),
    (".hairline", "stroke", "hairline"),
    ("text", "fill", "ink"),
    ("text", "stroke", "page"),
    (".dim", "fill", "frame"),
    (".a", "fill", "client"),
    (".b", "fill", "server"),
    (".arrow.a", "stroke", "client"),
    (".arrow.b", "stroke", "server"),
    (".lost", "fill", "lost"),
    (".cross", "stroke", "lost"),
    (".finding", "fill", "finding"),
    (".again", "fill", "finding"),
    (".pause", "stroke", "frame"),
    (".tip.a", "fill", "client"),
    (".tip.b", "fill", "server"),
    (".arrow.told", "stroke", "finding"),
    (".tip.told", "fill", "finding"),
];

/// The rules without colours.
const FIXED: &str = "\
.bothends-ladder text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.bothends-ladder .name{font-size:15px;font-weight:600}
.bothends-ladder .state{font:600 11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.bothends-ladder .time{font:11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.bothends-ladder .phase{font-size:11px;font-weight:600;letter-spacing:.09em}
.bothends-ladder .remark{font-size:12px}
.bothends-ladder .again{font-weight:600}
.bothends-ladder .verdict{font-size:14px}
.bothends-ladder .arrow,.bothends-ladder .cross,.bothends-ladder .pause{fill:none;stroke-linecap:round}
.bothends-ladder .arrow{stroke-width:1.6px}
.bothends-ladder .run{stroke-dasharray:2 5}
.bothends-ladder .cross{stroke-width:2.2px}
.bothends-ladder .pause{stroke-width:1.1px}
";

/// What calls beside the ladder need more.
const CALLS: &str = "\
.bothends-ladder .call{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.bothends-ladder .wait{opacity:.55}
";

/// The style sheet of the ladder, or of one with calls beside it.
pub(super) fn sheet(with_calls: bool) -> String {
    match with_calls {
        false => style(CLASS, FIXED, &COLOURED),
        true => {
            let coloured = [&COLOURED[..], &[(".wait", "fill", "finding")]].concat();
            style(CLASS, &format!("{FIXED}{CALLS}"), &coloured)
        }
    }
}

/// The `<style>` element of a picture of this class: the rules without colours, then those that use the variables
/// (selector, property, variable), then a fill for each tint. Each colour stands there twice, as a value and as a
/// variable: a viewer that knows no variables ignores the second and shows the light picture.
pub(crate) fn style(class: &str, fixed: &str, coloured: &[(&str, &str, &str)]) -> String {
    let mut sheet = String::from("<style>\n");
    let light = variables(coloured, |(name, light, _)| (name, light));
    let dark = variables(coloured, |(name, _, dark)| (name, dark));
    let _ = writeln!(sheet, ".{class}{{{light}}}");
    let _ = writeln!(sheet, "@media (prefers-color-scheme:dark){{.{class}{{{dark}}}}}");
    sheet.push_str(fixed);
    for &(selector, property, variable) in coloured {
        let value = value(variable);
        let _ = writeln!(sheet, ".{class} {selector}{{{property}:{value};{property}:var(--{variable})}}");
    }
    for (_, name, light, _) in TINTS {
        let _ = writeln!(sheet, ".{class} .{name}{{fill:{light};fill:var(--{name})}}");
    }
    sheet.push_str("</style>\n");
    sheet
}

type Variable = (&'static str, &'static str, &'static str);

fn all() -> impl Iterator<Item = Variable> {
    let looks = LOOKS.iter().map(|look| (look.css, look.light, look.dark));
    let tints = TINTS.iter().map(|&(_, name, light, dark)| (name, light, dark));
    PAGE.into_iter().chain(looks).chain(tints)
}

/// Those that a rule or a tint uses: the palette has colours for other drawings too.
fn variables(
    coloured: &[(&str, &str, &str)],
    pick: impl Fn(Variable) -> (&'static str, &'static str),
) -> String {
    let by_rules = |name: &str| coloured.iter().any(|(_, _, variable)| *variable == name);
    let is_used = |(name, _, _): &Variable| by_rules(name) || TINTS.iter().any(|tint| tint.1 == *name);
    all().filter(is_used).map(&pick).map(|(name, value)| format!("--{name}:{value};")).collect()
}

fn value(variable: &str) -> &'static str {
    all().find(|(name, _, _)| *name == variable).map_or("currentColor", |(_, light, _)| light)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_uses_a_variable_that_exists() {
        for (selector, _, variable) in COLOURED {
            assert!(all().any(|(name, _, _)| name == variable), "{selector} uses {variable}");
        }
    }
}
