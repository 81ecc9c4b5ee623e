//! Messages of Nacos over gRPC, of either side, and what clients write as parameters.
//!
//! An input of one side is `NAME` of a message, a line end, and its JSON; every message of that side reads it if the name is none.

use std::fmt::Debug;

use nacos_protocol::message::{Message, config, internal, naming};
use nacos_protocol::payload::{DecodeError, Payload};
use nacos_protocol::reading;

use super::{Checked, Memory, Target, kind_of, same};

/// `{},` in a list of instances is an instance: a tree of texts and maps. A check holds several copies, and each side has many messages.
const JSON: Memory = Memory { base: 32 << 10, each: 1 << 10 };

const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"{},",
    b":",
    b",",
    b"null",
    b"true",
    b"\"true\"",
    b"\"80\"",
    b"1.5",
    b"\"NaN\"",
    b"\"\"",
    b"\"hosts\":[{}]",
    b"\"metadata\":{\"a\":1}",
    b"\"ip\":",
    b"\"port\":",
    b"\"weight\":",
    b"\"instance\":null",
    b"\"resultCode\":500",
    b"\"requestId\":1",
    b"\"module\":\"naming\"",
    b"\\u0000",
    b"\\ud800",
    b"=",
    b"a=b,",
    b"-Infinity",
    b"1d",
];

/// What reading a message of one type came to.
type Reads = fn(&Payload) -> Result<(), Wrong>;

enum Wrong {
    /// It is another message.
    Other,
    /// It is refused, in these words.
    Refused(String),
    /// A promise is broken.
    Broken(String),
}

/// A message that was read can be written, and read again as the same.
fn reads<M: Message + Debug>(payload: &Payload) -> Result<(), Wrong> {
    let message: M = match payload.decode() {
        Ok(message) => message,
        Err(DecodeError::OtherType { .. }) => return Err(Wrong::Other),
        Err(DecodeError::Malformed { message, source }) if message == M::TYPE => {
            return Err(Wrong::Refused(source.to_string()));
        }
        Err(error) => return Err(Wrong::Broken(format!("the refusal names another message: {error}"))),
    };
    let written = Payload::of(&message);
    if has_null(&written.json()) {
        return Err(Wrong::Broken(format!("null is written, over which clients stumble: {:?}", written.json())));
    }
    let read: M = written
        .decode()
        .map_err(|error| Wrong::Broken(format!("what was written is refused: {error:?}: {:?}", written.json())))?;
    // Their text: a weight that is no number is equal to nothing, and written as 0.
    let said = ["NaN", "inf", "-inf"]
        .iter()
        .fold(format!("{message:?}"), |said, odd| said.replace(&format!("weight: {odd}"), "weight: 0.0"));
    same("written again, a message is another", &format!("{read:?}"), &said).map_err(Wrong::Broken)
}

fn has_null(json: &[u8]) -> bool {
    fn within(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Null => true,
            serde_json::Value::Array(items) => items.iter().any(within),
            serde_json::Value::Object(fields) => fields.values().any(within),
            _ => false,
        }
    }
    serde_json::from_slice(json).is_ok_and(|value| within(&value))
}

macro_rules! messages {
    ($($module:ident: $($name:ident)*;)*) => { &[$($((stringify!($name), reads::<$module::$name> as Reads),)*)*] };
}

/// What a server answers, and what it asks.
const TO_CLIENTS: &[(&str, Reads)] = messages! {
    naming: InstanceResponse BatchInstanceResponse QueryServiceResponse ServiceListResponse SubscribeServiceResponse
        NotifySubscriberRequest NamingFuzzyWatchResponse NamingFuzzyWatchSyncRequest NamingFuzzyWatchChangeNotifyRequest;
    config: ConfigChangeBatchListenResponse ConfigQueryResponse ConfigPublishResponse ConfigRemoveResponse ConfigChangeNotifyRequest
        ConfigFuzzyWatchResponse ConfigFuzzyWatchSyncRequest ConfigFuzzyWatchChangeNotifyRequest;
    internal: ServerCheckResponse HealthCheckResponse SetupAckRequest ClientDetectionRequest ConnectResetRequest
        ClientConfigMetricRequest ErrorResponse;
};

/// What a client asks, and what it answers.
const TO_SERVERS: &[(&str, Reads)] = messages! {
    naming: InstanceRequest PersistentInstanceRequest BatchInstanceRequest ServiceQueryRequest ServiceListRequest SubscribeServiceRequest
        NotifySubscriberResponse NamingFuzzyWatchRequest NamingFuzzyWatchSyncResponse NamingFuzzyWatchChangeNotifyResponse;
    config: ConfigBatchListenRequest ConfigQueryRequest ConfigPublishRequest ConfigRemoveRequest ConfigChangeNotifyResponse
        ConfigFuzzyWatchRequest ConfigFuzzyWatchSyncResponse ConfigFuzzyWatchChangeNotifyResponse;
    internal: ServerCheckRequest HealthCheckRequest ConnectionSetupRequest SetupAckResponse ClientDetectionResponse ConnectResetResponse
        ClientConfigMetricResponse;
};

/// Reads the payload as each of the messages that has its name.
fn as_any(payload: &Payload, messages: &[(&str, Reads)]) -> Checked {
    let mut answer = "unknown".to_owned();
    for (name, reads) in messages {
        answer = match reads(payload) {
            Ok(()) => format!("{name} read"),
            Err(Wrong::Other) => continue,
            Err(Wrong::Refused(why)) => format!("{name} {}", kind_of(&why)),
            Err(Wrong::Broken(why)) => return Err(format!("{name}: {why}")),
        };
    }
    Ok(answer)
}

pub(super) const PAYLOAD: Target = Target {
    name: "payload",
    also: &["gateway/nacos-protocol/tests/fixtures/2.3.2", "gateway/nacos-protocol/tests/fixtures/3.1.0"],
    words: WORDS,
    memory: JSON,
    check: payload,
};

/// An input is the bytes of a whole message of gRPC.
fn payload(input: &[u8]) -> Checked {
    let Ok(payload) = <Payload as prost::Message>::decode(input) else { return Ok("no payload".into()) };
    let written = prost::Message::encode_to_vec(&payload);
    let read = <Payload as prost::Message>::decode(&*written)
        .map_err(|error| format!("what was written is refused: {error}"))?;
    same("written again, a payload is another", &read, &payload)?;
    let (client, server) = (as_any(&payload, TO_CLIENTS)?, as_any(&payload, TO_SERVERS)?);
    Ok(format!("{client}, {server}"))
}

pub(super) const TO_A_CLIENT: Target =
    Target { name: "to-a-client", also: &[], words: WORDS, memory: JSON, check: to_a_client };
pub(super) const TO_A_SERVER: Target =
    Target { name: "to-a-server", also: &[], words: WORDS, memory: JSON, check: to_a_server };

fn to_a_client(input: &[u8]) -> Checked {
    side(input, TO_CLIENTS)
}

fn to_a_server(input: &[u8]) -> Checked {
    side(input, TO_SERVERS)
}

fn side(input: &[u8], messages: &[(&str, Reads)]) -> Checked {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (name, json) = (String::from_utf8_lossy(&input[..end]), input.get(end + 1..).unwrap_or_default());
    let body = json.to_vec();
    if messages.iter().any(|(known, _)| *known == name) {
        return as_any(&Payload::of_json(&name, body.into()), messages);
    }
    let mut answers = String::new();
    for (known, _) in messages {
        let answer = as_any(&Payload::of_json(known, body.clone().into()), messages)?;
        if answer.ends_with("read") {
            answers.push_str(known);
        }
    }
    Ok(answers)
}

pub(super) const PARAMETERS: Target =
    Target { name: "parameters", also: &[], words: WORDS, memory: JSON, check: parameters };

/// An input is the text of one parameter.
fn parameters(input: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(input);
    let metadata = reading::metadata(&text);
    if let Ok(read) = &metadata {
        let written = serde_json::to_string(read).map_err(|error| error.to_string())?;
        same("written again, metadata are others", &reading::metadata(&written).as_ref(), &Ok(read))?;
    }
    let number = reading::double(&text);
    if let Some(number) = number.filter(|number| number.is_finite()) {
        same("written again, a number is another", &reading::double(&number.to_string()), &Some(number))?;
    }
    let whole = reading::int(&text);
    if whole.is_some() && number != whole.map(f64::from) {
        return Err(format!("a whole number is another number: {whole:?} {number:?}"));
    }
    let beat = reading::ClientBeat::parse(&text);
    let beat = beat.map_or_else(
        |refused| kind_of(&refused.to_string()),
        |beat| format!("a beat with {}", beat.metadata.len().min(3)),
    );
    Ok(format!(
        "{:?} {} {} {beat}",
        metadata.map(|read| read.len().min(3)).ok(),
        number.is_some(),
        reading::flag(&text)
    ))
}
