//! What a server reads at its start: `conf/application.properties` in its home.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Access, Line, NacosOptions};

/// Signs tokens. At least 32 characters before the encoding; not a secret, for these servers listen to tests only.
const TOKEN_KEY: &str = "a test server's key that protects nothing at all";

/// Writes the settings of a server into its home.
pub(super) fn write(home: &Path, line: Line, port: u16, options: &NacosOptions) -> Result<()> {
    let folder = home.join("conf");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("application.properties"), text(home, line, port, options))?;
    Ok(())
}

fn text(home: &Path, line: Line, port: u16, options: &NacosOptions) -> String {
    let mut text = String::new();
    let mut set = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}={value}");
    };
    let guarded = if options.access == Access::Password { "true" } else { "false" };
    set("nacos.inetutils.ip-address", "127.0.0.1");
    set("server.address", "127.0.0.1");
    set("server.tomcat.basedir", &home.to_string_lossy());
    set("nacos.core.auth.system.type", "nacos");
    set("nacos.core.auth.enabled", guarded);
    set("nacos.core.auth.server.identity.key", "harness");
    set("nacos.core.auth.server.identity.value", "harness");
    set("nacos.core.auth.plugin.nacos.token.secret.key", &STANDARD.encode(TOKEN_KEY));
    if let Some(delay) = options.push_delay {
        set("nacos.naming.push.pushTaskDelay", &delay.as_millis().to_string());
    }
    match line {
        Line::V2 => {
            set("server.port", &port.to_string());
            set("server.servlet.contextPath", "/nacos");
            set("management.metrics.export.elastic.enabled", "false");
            set("management.metrics.export.influx.enabled", "false");
        }
        Line::V3 => {
            set("nacos.server.main.port", &port.to_string());
            set("nacos.server.contextPath", "/nacos");
            set("nacos.core.auth.admin.enabled", guarded);
            set("nacos.core.auth.console.enabled", guarded);
            let pool = "org.springframework.boot.autoconfigure.jdbc.DataSourceAutoConfiguration";
            set("spring.autoconfigure.exclude", pool);
            set("management.elastic.metrics.export.enabled", "false");
            set("management.influx.metrics.export.enabled", "false");
        }
    }
    for (key, value) in &options.properties {
        set(key, value);
    }
    text
}
