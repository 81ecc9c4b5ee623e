//! Parameters of a request as Nacos takes them: from a form in the body and from the query, alike. Of a name that is given twice the first counts, and the
//! form before the query. What is wrong with the characters, lengths and bounds of the usual ones is told before anything else, as by Nacos.

use std::collections::{BTreeMap, HashMap};

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::answer::ParamFailure;
use crate::names::{DEFAULT_CLUSTER, DEFAULT_NAMESPACE, IllegalPart, NamePart, checked, cluster_or_default, port};
use crate::reading;
use crate::server::{DEFAULT_GROUP, ListingPage, ServiceName};

/// Largest page of a listing.
const PAGE_MAX: usize = 1_000_000;

/// See the module. An empty value is as good as none, as in Nacos.
#[derive(Debug)]
pub struct RequestParams(HashMap<String, String>);

impl RequestParams {
    /// Reads a form of the body, empty if there is none, and the query.
    #[must_use]
    pub fn of(form: &[u8], query: &[u8]) -> Self {
        let mut params = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(form).chain(url::form_urlencoded::parse(query)) {
            params.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(params)
    }

    /// Checks characters, lengths and bounds. Where names are patterns (`search=blur`) they are not looked at.
    ///
    /// # Errors
    /// One of them is not as Nacos takes it.
    pub fn check(&self) -> Result<(), IllegalPart> {
        self.check_but(|cluster| cluster)
    }

    /// As [`RequestParams::check`], for a server to which names of clusters may be more than that: `cluster` leaves of each what Nacos is to check.
    ///
    /// # Errors
    /// As there.
    pub fn check_but(&self, cluster: fn(&str) -> &str) -> Result<(), IllegalPart> {
        if self.looked_at("search") == Some("blur") {
            return Ok(());
        }
        let (group, service) = self.looked_at("serviceName").map_or((None, ""), |name| match name.split_once("@@") {
            Some((group, service)) => (Some(group), service),
            None => (None, name),
        });
        for (part, text) in [
            (NamePart::Namespace, self.looked_at("namespaceId").or_else(|| self.looked_at("tenant"))),
            (NamePart::DataId, self.looked_at("dataId")),
            (NamePart::Service, Some(service)),
            (NamePart::Group, group.or_else(|| self.looked_at("groupName")).or_else(|| self.looked_at("group"))),
            (NamePart::Ip, self.looked_at("ip")),
        ] {
            checked(part, text.unwrap_or_default())?;
        }
        for name in ["clusters", "clusterName", "cluster"] {
            self.looked_at(name)
                .unwrap_or_default()
                .split(',')
                .try_for_each(|name| checked(NamePart::Cluster, cluster(name)))?;
        }
        self.looked_at("port").map_or(Ok(()), |text| port(text).map(drop))
    }

    /// A parameter that is there and not empty, without blanks around it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|value| !value.is_empty()).map(|value| value.trim())
    }

    /// A parameter as it is checked: as it was given, unless it is empty.
    fn looked_at(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// A parameter as it was given, perhaps empty.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// A parameter that must be there and not be empty.
    ///
    /// # Errors
    /// It is absent or empty.
    pub fn required(&self, name: &'static str) -> Result<&str, ParamFailure> {
        self.get(name).ok_or(ParamFailure::Missing(name))
    }

    /// A number as Java reads it, if it is given.
    ///
    /// # Errors
    /// It is no number.
    pub fn double(&self, name: &str) -> Result<Option<f64>, ParamFailure> {
        let read = |text: &str| reading::double(text).ok_or_else(|| ParamFailure::NotANumber(text.to_owned()));
        self.get(name).map(read).transpose()
    }

    /// A whole number, if it is given.
    ///
    /// # Errors
    /// It is no whole number.
    pub fn int(&self, name: &str) -> Result<Option<i32>, ParamFailure> {
        let read = |text: &str| reading::int(text).ok_or_else(|| ParamFailure::NotANumber(text.to_owned()));
        self.get(name).map(read).transpose()
    }

    /// Yes or no by the words that Nacos knows, `default` when it is absent.
    #[must_use]
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, reading::flag)
    }

    /// `true` alone is yes, as Nacos has it for what is read and not registered.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// Number and size of the page that is asked for; both from 1.
    ///
    /// # Errors
    /// One of them is no number, or not above zero.
    pub fn page(&self) -> Result<(usize, usize), ParamFailure> {
        let positive = |name: &'static str, default: usize| {
            let Some(number) = self.int(name)? else { return Ok(default) };
            let positive = usize::try_from(number).ok().filter(|number| *number > 0);
            positive.ok_or_else(|| {
                let words = format!("Required parameter '{name}' should be positive integer, current is {number}");
                ParamFailure::Invalid(words)
            })
        };
        Ok((positive("pageNo", 1)?, positive("pageSize", 100)?.min(PAGE_MAX)))
    }

    /// The page of names that version 1 is asked for. Nacos takes what is no number for the first page, and for no page at all.
    ///
    /// # Errors
    /// One of the parameters is absent; the size is no number, or below zero.
    pub fn names_page_v1(&self) -> Result<ListingPage, ParamFailure> {
        let number = reading::int(self.required("pageNo")?).unwrap_or(1);
        let size = self.required("pageSize")?;
        let size = reading::int(size).ok_or_else(|| ParamFailure::NotANumber(size.to_owned()))?;
        if size < 0 {
            return Err(ParamFailure::Invalid(format!("fromIndex(0) > toIndex({size})")));
        }
        Ok(page_of(number, size))
    }

    /// The page of names that version 2 is asked for.
    ///
    /// # Errors
    /// One of the parameters is no number.
    pub fn names_page_v2(&self) -> Result<ListingPage, ParamFailure> {
        Ok(page_of(self.int("pageNo")?.unwrap_or(1), self.int("pageSize")?.unwrap_or(20)))
    }

    /// The namespace; over HTTP absent and empty are `public`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.get("namespaceId").or_else(|| self.get("tenant")).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The group, where it stands by itself.
    #[must_use]
    pub fn group(&self) -> &str {
        self.get("groupName").unwrap_or(DEFAULT_GROUP)
    }

    /// The service; its name may carry its group as `group@@service`.
    ///
    /// # Errors
    /// It is absent, or half of the name is blank.
    pub fn service(&self) -> Result<ServiceName, ParamFailure> {
        let name = self.required("serviceName")?;
        if name.is_empty() {
            let words = "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'";
            return Err(ParamFailure::Invalid(words.into()));
        }
        let (group, service) = name.split_once("@@").unwrap_or((self.group(), name));
        if group.trim().is_empty() || service.trim().is_empty() {
            return Err(ParamFailure::HalfAName);
        }
        let (group, service) = (group.to_owned(), service.to_owned());
        Ok(ServiceName { namespace: self.namespace().to_owned(), group, service })
    }

    /// The Nacos cluster, by its older name too.
    #[must_use]
    pub fn cluster(&self) -> &str {
        let said = self.get("clusterName").or_else(|| self.get("cluster"));
        said.map_or(DEFAULT_CLUSTER, cluster_or_default)
    }

    /// Metadata of an instance or a service: a JSON object, or `a=b,c=d`.
    ///
    /// # Errors
    /// It is neither.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, ParamFailure> {
        Ok(self.get("metadata").map_or(Ok(BTreeMap::new()), reading::metadata)?)
    }
}

/// What is below the first page is the first, and a size below zero is none.
fn page_of(number: i32, size: i32) -> ListingPage {
    let at = |number: i32| usize::try_from(number).expect("not negative");
    ListingPage { number: at(number.max(1)), size: at(size.max(0)) }
}

/// Whether a request's body is a form.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// The token of a request: header, bearer, or parameter of the query.
#[must_use]
pub fn token_of(headers: &HeaderMap, query: &str) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = || header(AUTHORIZATION.as_str())?.strip_prefix("Bearer ").map(str::to_owned);
    header("accessToken").or_else(bearer).or_else(|| token_in(query.as_bytes()))
}

/// A token in a form, where the Go SDK puts it, or in a query.
#[must_use]
pub fn token_in(form: &[u8]) -> Option<String> {
    let found = url::form_urlencoded::parse(form).find(|(name, _)| name == "accessToken");
    found.map(|(_, token)| token.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_given_twice_the_first_counts_and_the_form_before_the_query() {
        let params = RequestParams::of(b"ip=2&weight=3", b"ip=1&port=80&port=81");
        assert_eq!((params.get("ip"), params.get("port"), params.get("weight")), (Some("2"), Some("80"), Some("3")));
    }

    #[test]
    fn what_is_wrong_with_the_usual_parameters_is_told_first() {
        for (query, want) in [
            ("port=http", "Param 'port' is illegal, the value should be between 0 and 65535."),
            ("port=+80", "Param 'port' is illegal, the value should be between 0 and 65535."), // A plus is a blank there.
            ("port=%2B80&ip=10.0.0.1", ""),
            ("ip=%2010.0.0.1", "Param 'ip' is illegal, illegal characters should not appear in the param."),
            ("clusters=a,%20b", "Param 'cluster' is illegal, illegal characters should not appear in the param."),
            (
                "serviceName=g@@a@@b",
                "Param 'serviceName' is illegal, illegal characters should not appear in the param.",
            ),
            ("serviceName=a/b@@s", "Param 'group' is illegal, illegal characters should not appear in the param."),
            ("tenant=a.b", "Param 'namespaceId/tenant' is illegal, illegal characters should not appear in the param."),
            ("dataId=*a*&search=blur", ""),
        ] {
            let told = RequestParams::of(b"", query.as_bytes())
                .check()
                .map_or_else(|illegal| illegal.to_string(), |()| String::new());
            assert_eq!(told, want, "{query}");
        }
    }
}
