//! Connection strings as they are found, and as they are mistyped.

use proptest::{prop_assert, proptest};

use super::*;

#[test]
fn the_strings_of_the_old_service_are_read() {
    let azure = "Server=tcp:x.database.windows.net,1433;Initial Catalog=crm;Persist Security \
                 Info=False;User ID=sync;Password=p;MultipleActiveResultSets=False;Encrypt=True;\
                 TrustServerCertificate=False;Connection Timeout=30;";
    let target = read(azure).unwrap();
    assert_eq!((target.host.as_str(), target.port), ("x.database.windows.net", 1433));
    assert_eq!(target.database, "crm");
    assert_eq!(target.login, Some(("sync".to_owned(), "p".to_owned())));
    assert_eq!(target.encryption, Encryption::Required);
    assert!(!target.trust_server_certificate && !target.wants_token);
}

#[test]
fn every_spelling_of_a_key_is_known() {
    for key in ["Server", "Data Source", "ADDR", "Address", "network address"] {
        let target = read(&format!("{key}=.;Database=d;UID=u;PWD=p")).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("localhost", 1433), "{key}");
    }
}

#[test]
fn quoted_values_keep_what_is_in_them() {
    let target = read("Server=h;Database=d;UID=u;PWD='a;b''c=\"d'").unwrap();
    assert_eq!(target.login.unwrap().1, "a;b'c=\"d");
    let target = read("Server=h;Database=d;UID=u;PWD=\"x\"\"y\" ; Encrypt = strict ").unwrap();
    assert_eq!(target.login.unwrap().1, "x\"y");
    assert_eq!(target.encryption, Encryption::Strict);
    // Not at its beginning it is a letter as any other.
    assert_eq!(read("Server=h;Database=d;UID=u;PWD=a'b").unwrap().login.unwrap().1, "a'b");
}

#[test]
fn entra_needs_no_password() {
    let target =
        read("Server=h;Database=d;Authentication=Active Directory Managed Identity;User Id=id")
            .unwrap();
    assert!(target.wants_token && target.login.is_none());
    assert!(read("Server=h;Database=d;Authentication=Active Directory Interactive").is_err());
}

#[test]
fn what_means_nothing_here_is_passed_over() {
    let target = read(
        "Server=h;Database=d;UID=u;PWD=p;Pooling=true;Max Pool Size=100;Application Name=crm;\
         ApplicationIntent=ReadWrite;MultiSubnetFailover=True;Connect Timeout=15;Packet Size=4096;\
         Column Encryption Setting=Disabled;Enlist=false;HostNameInCertificate=x.example.com",
    );
    let target = target.unwrap();
    assert!(target.all_addresses);
    assert_eq!(target.host_in_certificate.as_deref(), Some("x.example.com"));
}

#[test]
fn mistakes_name_the_key_and_never_a_value() {
    for (text, expected) in [
        ("Server=h;Database=d;PWD=hunter2;UID=u;Encript=True", "Encript is not known"),
        ("Server=h;Database=d;UID=u;PWD='hunter2", "the value of PWD is not closed"),
        ("Server=h;Database=d;UID=u;PWD='hunter2'x;A=b", "the value of PWD is not closed"),
        ("Server=h;Database=d;UID=u", "Password is missing"),
        ("Server=h;Database=d;PWD=hunter2", "User ID is missing"),
        ("Database=d;UID=u;PWD=hunter2", "Server is missing"),
        ("Server=h;UID=u;PWD=hunter2", "Database is missing"),
        ("Server=h,hunter2;Database=d", "Server must be"),
        ("Server=h\\hunter2;Database=d", "port of the instance"),
        ("Server=h;Database=d;Encrypt=hunter2", "Encrypt must be"),
        ("Server=h;Database=d;Integrated Security=SSPI", "Integrated Security is not supported"),
        ("hunter2", "its part 1 is no KEY=VALUE"),
        ("Server=h;hunter2;Database=d", "its part 2 is no KEY=VALUE"),
        ("Server=h;Database=d;UID=u;PWD=x;hunter2=y", "the key after the password"),
        ("Server=h;PWD=x;hunter2", "its part 3 is no KEY=VALUE"),
        ("Server=h;ApplicationIntent=ReadOnly", "cannot be written"),
        ("Server=h;MultiSubnetFailover=hunter2", "must be True or False"),
        ("=hunter2", "its part 1 is no KEY=VALUE"),
    ] {
        let error = read(text).err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn a_quoted_password_comes_back(password in "\\PC{0,40}") {
        let quoted = password.replace('"', "\"\"");
        let target = read(&format!("Server=h;Database=d;UID=u;PWD=\"{quoted}\";Encrypt=True"));
        prop_assert!(target.unwrap().login.unwrap().1 == password);
    }
}
