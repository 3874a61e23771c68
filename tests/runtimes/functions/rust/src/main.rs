//! Does what the event says; the tests ask the same of every custom runtime.

use lambda_runtime::{run_concurrent, service_fn, Error, LambdaEvent};
use serde::{Deserialize, Serialize};
use std::{env, fs, path::Path, process, time::Duration};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    r#do: String,
    n: i64,
    meeting: String,
    count: usize,
    seconds: u64,
    status: i32,
    item: String,
}

#[derive(Serialize)]
struct Answer {
    n: i64,
    request_id: String,
    process_id: u32,
    #[serde(flatten)]
    order: Option<Order>,
}

#[derive(Serialize)]
struct Order {
    item: String,
    total: i64,
    shop: String,
}

async fn handle(invocation: LambdaEvent<Event>) -> Result<Answer, Error> {
    let (asked, context) = invocation.into_parts();
    match asked.r#do.as_str() {
        "meet" => meet(&asked, &context.request_id).await?,
        "wait" => tokio::time::sleep(Duration::from_secs(asked.seconds)).await,
        "fail" => return Err("asked to fail".into()),
        "panic" => panic!("asked to panic"),
        "exit" => process::exit(asked.status),
        "crash" => process::abort(),
        _ => {}
    }
    let order = (asked.r#do == "order").then(|| order(&asked)).transpose()?;
    Ok(Answer {
        n: asked.n,
        request_id: context.request_id,
        process_id: process::id(),
        order,
    })
}

/// What an ordinary function does: a file of a layer, a variable, a line of log.
fn order(asked: &Event) -> Result<Order, Error> {
    let rate: i64 = fs::read_to_string("/opt/rate")?.trim().parse()?;
    let (first, rest) = asked.item.split_at(1);
    let item = first.to_uppercase() + rest;
    println!("ordered {item} {}", asked.n);
    Ok(Order {
        item,
        total: asked.n * rate,
        shop: env::var("SHOP")?,
    })
}

/// Every invocation waits until all of them have arrived: they can only end when they run at the same time.
async fn meet(asked: &Event, request_id: &str) -> Result<(), Error> {
    fs::write(Path::new(&asked.meeting).join(request_id), "")?;
    while fs::read_dir(&asked.meeting)?.count() < asked.count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    run_concurrent(service_fn(handle)).await
}
