use super::budgeted::budgeted_codes;
use super::{AnsweredMethod, CODE_BITS, Client, Code, ErrorCode, FilterVersion, LabelValue as _, closed_codes};
use crate::config::Config;
use crate::label::{ErrorType, Method, Status};
use crate::recorder::budgets::Budgets;
use crate::test;
use std::collections::BTreeSet;

#[test]
fn different_values_have_different_codes() {
    let extra = (0..=u8::MAX).map(|index| Method::Extra(index).code());
    let single = [
        Method::Other.code(),
        Method::Unseen.code(),
        AnsweredMethod(None).code(),
        FilterVersion.code(),
        Client::Unknown.code(),
    ];
    let empty = None::<ErrorType>.code();
    let all: Vec<Code> = [closed_codes(), budgeted_codes(), extra.collect(), single.to_vec(), vec![empty]].concat();
    assert!(!all.contains(&Code::ABSENT));
    assert!(all.iter().all(|code| code.bits() < 1 << CODE_BITS));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn every_code_has_its_text() {
    let config = Config { extra_methods: vec!["x/y".to_owned()], ..Config::default() };
    let budgets = Budgets::new(&config, "");
    for (code, text) in [
        (Code::ABSENT, None),
        (Status::InputRequired.code(), Some("input_required")),
        (Some(ErrorType::Reset).code(), Some("reset")),
        (None::<ErrorType>.code(), Some("")),
        (None::<ErrorCode>.code(), Some("")),
        (Method::Extra(0).code(), Some("x/y")),
        (Method::Extra(1).code(), Some("other")),
        (Method::Other.code(), Some("other")),
        (Method::Unseen.code(), Some("unseen")),
        (AnsweredMethod(None).code(), Some("none")),
        (Client::Unknown.code(), Some("unknown")),
        (FilterVersion.code(), Some(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(code.text(&budgets, &config), text, "{code:?}");
    }
    assert!(closed_codes().into_iter().all(|code| code.text(&budgets, &config).is_some_and(|text| !text.is_empty())));
    assert!(budgeted_codes().into_iter().all(|code| code.text(&budgets, &config) == Some("other")));
}
