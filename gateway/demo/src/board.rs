//! What people read: the matrix, the addresses, the commands to try.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::{Line, Tone};
use super::ports::{CONTROL_PORT, DemoPorts};
use super::region::DemoRegion;
use super::report::{Cell, DemoReport};
use super::stage::{LOST_AFTER, STALE_AFTER};

/// Columns of the names of regions, and of what is seen of each.
const NAME: usize = 12;
const CELL: usize = 21;

/// The matrix: a row for each gateway, a column for each region, and what the registries hold.
pub(super) fn matrix(report: &DemoReport) -> Vec<Line> {
    let mut heading = Line::default().column(Tone::Quiet, "seen from", NAME);
    for region in DemoRegion::ALL {
        heading = heading.column(Tone::Strong, region.name(), CELL);
    }
    let mut lines = vec![heading];
    for gateway in DemoRegion::ALL {
        let mut line = Line::default().column(Tone::Strong, gateway.name(), NAME);
        if report.matrix.get(gateway.name()).is_none_or(Option::is_none) {
            lines.push(line.and(Tone::Bad, "does not answer"));
            continue;
        }
        for region in DemoRegion::ALL {
            let cell = report.cell(gateway, region).expect("every row has every region");
            line = line.column(tone(cell), &text(cell), CELL);
        }
        lines.push(line);
    }
    let mut held = Line::default().column(Tone::Quiet, "registered", NAME);
    for region in DemoRegion::ALL {
        let count = report.registered(region);
        let text = count.map_or_else(|| "no answer".to_owned(), |count| format!("{count:>2}"));
        held = held.column(if count.is_some() { Tone::Quiet } else { Tone::Bad }, &text, CELL);
    }
    lines.push(held);
    lines
}

/// Whom the shop in each region calls, as its front door told it.
pub(super) fn callers(report: &DemoReport) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    for region in DemoRegion::ALL {
        let line = Line::default().column(Tone::Strong, region.name(), NAME);
        let found = &report.shop[region.name()];
        let is_home = |origins: &BTreeMap<String, usize>| origins.keys().eq([region.name()]);
        let home = found.values().filter(|origins| is_home(origins)).count();
        let far = found.iter().filter(|(_, origins)| !is_home(origins));
        let far: Vec<String> = far.map(|(service, origins)| format!("{service} {}", places(origins))).collect();
        let line = line.and(Tone::Plain, format!("its shop calls {home} services at home"));
        lines.push(if far.is_empty() { line } else { line.and(Tone::Good, format!(", {}", far.join(", "))) });
    }
    lines
}

fn places(origins: &BTreeMap<String, usize>) -> String {
    if origins.is_empty() {
        return "nowhere".to_owned();
    }
    format!("in {}", origins.keys().map(String::as_str).collect::<Vec<_>>().join(" and "))
}

fn text(cell: &Cell) -> String {
    let mut text = format!("{:>2}", cell.instances);
    for (sign, names) in [('-', &cell.missing), ('+', &cell.extra)] {
        if !names.is_empty() {
            text.push_str(&format!(" {sign}{}", names.len()));
        }
    }
    let age = cell.age_ms.map(|age| format!(" {}", self::age(Duration::from_millis(age)))).unwrap_or_default();
    format!("{text} {}{age}", cell.freshness)
}

fn tone(cell: &Cell) -> Tone {
    match cell.freshness.as_str() {
        _ if cell.complete => Tone::Good,
        "live" | "stale" => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// `0.4s` below ten seconds, `12s`, `2m 5s`, `3h 20m`.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{}s", age.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `0:41`, `1:02:03`.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The beginning of a note: when, and where if it is about one region.
pub(super) fn at(elapsed: Duration, place: &str) -> Line {
    Line::of(Tone::Quiet, format!("{:>7}  ", clock(elapsed))).column(Tone::Plain, place, NAME)
}

/// One line about the whole.
pub(super) fn summary(report: &DemoReport) -> Line {
    let registered = DemoRegion::ALL.map(|region| {
        let count = report.registered(region).map_or_else(|| "?".to_owned(), |count| count.to_string());
        format!("{region} {count}")
    });
    let instances = format!(" ({})", registered.join(", "));
    if report.complete {
        return Line::of(Tone::Good, "every region sees all instances of every other one, live")
            .and(Tone::Quiet, instances);
    }
    let silent = |gateway: &DemoRegion| report.matrix.get(gateway.name()).is_none_or(Option::is_none);
    let mut wrong: Vec<String> =
        DemoRegion::ALL.into_iter().filter(silent).map(|gateway| format!("{gateway} does not answer")).collect();
    wrong.extend(DemoRegion::ALL.into_iter().filter_map(|region| misseen(report, region)));
    if wrong.is_empty() {
        wrong.push(format!("stopped: {}", report.stopped.join(", ")));
    }
    Line::of(Tone::Warn, wrong.join("; ")).and(Tone::Quiet, instances)
}

/// Where a region is not seen as it is: `frankfurt lost in shanghai, virginia`.
fn misseen(report: &DemoReport, region: DemoRegion) -> Option<String> {
    let cells = DemoRegion::ALL.into_iter().filter(|gateway| *gateway != region);
    let cells = cells.filter_map(|gateway| Some((gateway, report.cell(gateway, region)?)));
    let mut wrong = cells.filter(|(_, cell)| !cell.complete).peekable();
    let (_, first) = wrong.peek()?;
    let how = if first.freshness == "live" { "not exactly seen" } else { first.freshness.as_str() };
    let places: Vec<&str> = wrong.map(|(gateway, _)| gateway.name()).collect();
    Some(format!("{region} {how} in {}", places.join(", ")))
}

/// Where everything listens.
pub(super) fn addresses(ports: &DemoPorts) -> Vec<Line> {
    let mut lines = Vec::new();
    for region in DemoRegion::ALL {
        let at = ports.of(region);
        let (locality, zone) = region.locality();
        let line = Line::plain("  ").column(Tone::Strong, region.name(), NAME);
        lines.push(
            line.and(Tone::Plain, format!("gateway  http://{}  gRPC {}", at.http, at.grpc))
                .and(Tone::Quiet, format!("  {locality}/{zone}")),
        );
        let below = || Line::plain("  ").column(Tone::Plain, "", NAME);
        let door = format!("door     {}  gRPC {}", at.door, at.door_grpc());
        lines.push(below().and(Tone::Strong, door).and(Tone::Quiet, "  for every Nacos SDK"));
        lines.push(below().and(Tone::Plain, format!("registry http://{}  gRPC {}", at.registry, at.registry_grpc())));
    }
    lines
}

/// Commands to try in another terminal; `program` is how this one was called.
pub(super) fn commands(ports: &DemoPorts, program: &str) -> Vec<Line> {
    let [shanghai, frankfurt, virginia] = DemoRegion::ALL.map(|region| ports.of(region));
    let control = match ports.control.port() {
        CONTROL_PORT => String::new(),
        other => format!(" --control-port {other}"),
    };
    let stale = format!("stale after {} s, lost after {} s, never gone", STALE_AFTER.as_secs(), LOST_AFTER.as_secs());
    let commands = [
        (format!("curl -s 'http://{}/v1/service?serviceName=payment'", shanghai.http), "runs in frankfurt only"),
        (format!("{program} --server http://{} services", virginia.http), "who has what, as virginia sees it"),
        (format!("{program} --server http://{} service cart", frankfurt.http), "one service, all regions"),
        (format!("{program} --server http://{} watch catalog", shanghai.http), "a line for each change"),
        (format!("{program} --server http://{} status", shanghai.http), "who is live; exit code 1 if not all are"),
        (format!("{program} --server http://{} config fees.json -g SHOP", shanghai.http), "frankfurt's, in shanghai"),
        (
            format!("curl -s 'http://{}/nacos/v1/ns/instance/list?serviceName=payment'", shanghai.door),
            "what an SDK is told in shanghai",
        ),
        (
            format!(
                "curl -X POST 'http://{}/nacos/v1/ns/instance?serviceName=mine&ip=10.9.9.9&port=80&ephemeral=false'",
                frankfurt.door
            ),
            "register your own",
        ),
        (format!("{program} --server http://{} service mine", virginia.http), "and find it far away"),
        (format!("{program} demo ctl{control} stop frankfurt"), stale.as_str()),
        (format!("{program} demo ctl{control} list"), "what else can be stopped and started"),
    ];
    let line =
        |(command, why): (String, &str)| Line::plain(format!("  {command}")).and(Tone::Quiet, format!("  # {why}"));
    commands.into_iter().map(line).collect()
}

/// Where to look, and how a program of one's own gets in.
pub(super) fn invitation(ports: &DemoPorts) -> Vec<Line> {
    let (door, http) = (ports.of(DemoRegion::Shanghai).door, ports.of(DemoRegion::Shanghai).http);
    vec![
        Line::of(Tone::Strong, format!("All regions on one page: http://{http}/"))
            .and(Tone::Quiet, "  every gateway serves it, as it sees them"),
        Line::of(
            Tone::Strong,
            "Point any Nacos SDK at a door, and it finds the services of all regions; in Java, for example:",
        ),
        Line::plain(format!("  properties.put(\"serverAddr\", \"{door}\");")).and(Tone::Quiet, "  // its only change"),
    ]
}

/// What keys do, in two lines.
pub(super) fn keys() -> [Line; 2] {
    let key = |line: Line, key: &str, text: &str| line.and(Tone::Strong, key).and(Tone::Quiet, format!(" {text}  "));
    let mut regions = Line::of(Tone::Quiet, "stop/start  ");
    for (number, region) in (1..).zip(DemoRegion::ALL) {
        regions = key(regions, &number.to_string(), region.name());
    }
    regions = key(regions, "4 5 6", "their registries");
    regions = key(regions, "k", "kafka");
    let mut others = Line::of(Tone::Quiet, "            ");
    for (name, text) in
        [("i", "stop an instance"), ("s", "start them"), ("p", "pause"), ("h", "commands"), ("q", "quit")]
    {
        others = key(others, name, text);
    }
    [regions, others]
}
