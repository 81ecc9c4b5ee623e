//! `front-door status`, `drain` and `undrain`: the clients of Nacos at the gateway that is asked.

use federation_answers::front_door::{FrontDoorDocument, OrderBody};

use super::args::{DoorOrder, FrontDoor};
use super::client::{Answer, Client};
use super::drain::user_and_host;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left, right};

const PATH: &str = "/v1/front-door";

/// Runs one of the three.
pub(super) async fn run(door: &FrontDoor, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let answer = match door {
        FrontDoor::Status => client.get(PATH, &[]).await?,
        FrontDoor::Drain(order) => tell(client, "drain", order).await?,
        FrontDoor::Undrain(order) => tell(client, "undrain", order).await?,
    };
    output.answer(&answer, |document: &FrontDoorDocument| {
        let state = if document.drained { "drained" } else { "takes clients" };
        let mut table =
            Table::new([left("FRONT DOOR"), right("CLIENTS"), right("THAT REGISTERED"), right("CONNECTED TO NACOS")]);
        let counts = [document.connections, document.registering_clients, document.upstream_connected];
        table.row([state.to_owned()].into_iter().chain(counts.map(|count| count.to_string())));
        match door {
            FrontDoor::Drain(_) => format!("{}\nUndo: nacos-fed front-door undrain", table.render()),
            FrontDoor::Status | FrontDoor::Undrain(_) => table.render(),
        }
    })?;
    Ok(Exit::Ok)
}

async fn tell(client: &Client, what: &str, order: &DoorOrder) -> Result<Answer<FrontDoorDocument>, Failure> {
    let who = Some(order.who.clone().unwrap_or_else(user_and_host));
    client.post(&format!("{PATH}/{what}"), &[], &OrderBody { reason: order.reason.clone(), who }).await
}
