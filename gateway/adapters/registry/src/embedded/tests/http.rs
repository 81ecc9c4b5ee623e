//! What old HTTP clients and scripts call. Line by line against real servers it is compared by `tests/suite/tests/contract/comparison`.

use super::*;

fn form(client: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> reqwest::RequestBuilder {
    let url = format!("http://{}/nacos/{path}", client.http);
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(body.to_owned());
    request = request.header("content-type", "application/x-www-form-urlencoded");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

async fn text(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn what_python_clients_register_and_beat_is_taken() {
    let running = start(anywhere()).await;
    let metadata = "%7B%22n%22%3A1%2C%22f%22%3A1.50%2C%22t%22%3Atrue%2C%22none%22%3Anull%7D";
    let one = "serviceName=s&ip=10.0.0.1&port=80";
    assert_eq!(running.call("POST", &format!("v1/ns/instance?{one}&metadata={metadata}")).await.0, 200);
    let (_, list) = running.call("GET", "v1/ns/instance/list?serviceName=s").await;
    assert_eq!(list["hosts"][0]["metadata"], json!({"n": "1", "f": "1.50", "t": "true"}));
    let beat = "%7B%22ip%22%3A%2210.0.0.2%22%2C%22port%22%3A%2280%22%2C%22weight%22%3A1.0%2C%22cluster%22%3Anull%2C%22metadata%22%3Anull%7D";
    let (status, beaten) = running.call("PUT", &format!("v1/ns/instance/beat?serviceName=s&beat={beat}")).await;
    assert_eq!((status, &beaten["code"]), (200, &json!(10_200)));
    let (_, list) = running.call("GET", "v2/ns/instance/list?serviceName=s").await;
    assert_eq!((&list["code"], list["data"]["hosts"].as_array().unwrap().len()), (&json!(0), 2));
    for refused in ["metadata=a%3D", "metadata=a%3Db%3Dc", "weight=inf", "port=http"] {
        let path = format!("v1/ns/instance?serviceName=t&ip=10.0.0.1&port=80&{refused}");
        let path = if refused.starts_with("port") { path.replace("port=80&", "") } else { path };
        assert!(running.call("POST", &path).await.0 >= 400, "{refused}");
    }
}

#[tokio::test]
async fn an_answer_without_words_tells_its_status_and_path() {
    let running = start(anywhere()).await;
    for (method, path, status, error) in [
        ("GET", "v3/admin/nope", 404, "Not Found"),
        ("GET", "v1/ns/nope", 501, "Not Implemented"),
        ("POST", "v1/ns/instance/list", 501, "Not Implemented"),
        ("GET", "v1/auth/users/login", 405, "Method Not Allowed"),
        ("POST", "v1/ns/instance?serviceName=s&ip=1&port=1&metadata=a", 500, "Internal Server Error"),
    ] {
        let (got, body) = running.call(method, path).await;
        let bare = format!("/nacos/{}", path.split('?').next().unwrap());
        assert_eq!(
            (got, &body["status"], &body["error"], &body["path"]),
            (status, &json!(status), &json!(error), &json!(bare))
        );
    }
}

#[tokio::test]
async fn one_instance_is_read_patched_and_left_alone_by_what_is_not_named() {
    let running = start(anywhere()).await;
    let one = "serviceName=s&ip=10.0.0.1&port=80";
    running.call("POST", &format!("v1/ns/instance?{one}&weight=3&metadata=a=b")).await;
    assert_eq!(running.call("PATCH", &format!("v1/ns/instance?{one}&metadata=c=d")).await, (200, json!("ok")));
    let (_, found) = running.call("GET", &format!("v1/ns/instance?{one}")).await;
    assert_eq!((&found["weight"], &found["metadata"]), (&json!(3.0), &json!({"a": "b", "c": "d"})));
    let unknown = running.call("PATCH", "v1/ns/instance?serviceName=s&ip=10.0.0.2&port=80&weight=5").await;
    assert_eq!(unknown, (404, json!("no matched ip found!")));
    assert_eq!(running.call("GET", "v1/ns/service?serviceName=s").await.1["clusters"][0]["name"], "DEFAULT");
    assert_eq!(running.call("DELETE", "v1/ns/service?serviceName=s").await.0, 400, "it has an instance");
}

#[tokio::test]
async fn a_long_poll_is_answered_when_its_item_changes() {
    let running = start(anywhere()).await;
    let wait = [("Long-Pulling-Timeout", "30000")];
    let listen =
        |known: &str| form(&running, "v1/cs/configs/listener", &wait, &format!("Listening-Configs=d%02g%02{known}%01"));
    running.call("POST", "v1/cs/configs?dataId=d&group=g&content=1").await;
    let changed = (200, "d%02g%01\n".to_owned());
    assert_eq!(text(listen("")).await, changed, "it differs already");
    let one = "c4ca4238a0b923820dcc509a6f75849b";
    let (told, ()) = tokio::join!(text(listen(one)), async {
        while running.call("GET", "v1/ns/operator/metrics?onlyStatus=false").await.1["longPolls"] != 1 {
            tokio::task::yield_now().await;
        }
        running.call("POST", "v1/cs/configs?dataId=other&group=g&content=2").await;
        running.call("POST", "v1/cs/configs?dataId=d&group=g&content=1").await; // The same again is no change.
        running.call("POST", "v1/cs/configs?dataId=d&group=g&content=2").await;
    });
    assert_eq!(told, changed);
    let now = [("Long-Pulling-Timeout", "30000"), ("Long-Pulling-Timeout-No-Hangup", "true")];
    let body = "Listening-Configs=e%02g%02%01";
    assert_eq!(text(form(&running, "v1/cs/configs/listener", &now, body)).await, (200, String::new()));
    assert_eq!(text(form(&running, "v1/cs/configs/listener", &wait, "Listening-Configs=")).await.0, 400);
}
