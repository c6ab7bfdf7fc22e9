//! The workflow of docs/release.yml: that it is one, and that what it types works.

use std::fs;

use yaml_rust2::{Yaml, YamlLoader};

use crate::common::TestRepo;

use super::files;

fn workflow() -> Yaml {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/release.yml");
    let mut documents = YamlLoader::load_from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn keys(yaml: &Yaml) -> Vec<&str> {
    yaml.as_hash().unwrap().keys().map(|key| key.as_str().unwrap()).collect()
}

fn steps() -> Vec<Yaml> {
    workflow()["jobs"]["bundle"]["steps"].as_vec().unwrap().clone()
}

#[test]
fn it_is_a_workflow() {
    let workflow = workflow();
    assert_eq!(keys(&workflow), ["name", "on", "permissions", "jobs"]);
    assert_eq!(workflow["on"]["push"]["tags"][0].as_str(), Some("v*"));
    assert_eq!(workflow["permissions"]["contents"].as_str(), Some("write"));
    let job = &workflow["jobs"]["bundle"];
    assert_eq!(keys(job), ["runs-on", "env", "steps"]);
    for step in steps() {
        let known = ["name", "run", "uses", "with", "env"];
        assert!(keys(&step).iter().all(|key| known.contains(key)), "{step:?}");
        assert!(step["run"].is_badvalue() != step["uses"].is_badvalue(), "{step:?}");
        if let Some(uses) = step["uses"].as_str() {
            let (action, version) = uses.split_once('@').unwrap();
            assert!(action.starts_with("actions/") && version.starts_with('v'), "{uses}");
        }
        // What others may choose reaches a script through the environment alone.
        assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{step:?}");
    }
}

#[test]
fn its_commands_do_what_they_should() {
    let repo = TestRepo::with_history();
    repo.file("package.json", "{\"name\": \"shop\", \"version\": \"1.0.0\"}\n").commit("package");
    repo.git(["tag", "v1.0.1"]).ok();
    // A runner has a fresh clone of the tag alone, and nobody's name.
    let url = format!("file://{}", repo.top.display());
    let runner = repo.beside("runner");
    repo.git(["clone", "-q", "--depth=1", "--branch=v1.0.1", &url, runner.top.to_str().unwrap()])
        .ok();
    let mut ran = 0;
    for step in steps() {
        let Some(script) = step["run"].as_str() else { continue };
        let check = runner.world.path("script");
        fs::write(&check, script).unwrap();
        runner.types(&format!("bash -n '{}'", check.display())).ok();
        // What is fetched from elsewhere, or published there, is not tried.
        if script.contains("cargo install") || script.contains("gh release") {
            continue;
        }
        let url = "https://github.com/acme/shop/releases/tag/v1.0.1";
        let runner = runner.env("TAG", "v1.0.1").env("RELEASE_URL", url).env("CI", "true");
        runner.types(&format!("bash -eo pipefail '{}'", check.display())).ok();
        ran += 1;
    }
    assert_eq!(ran, 2);
    let names = files(&runner);
    assert!(names.iter().any(|it| it.starts_with("shop-v1.0.1-") && it.ends_with(".tar.gz")));
    let listed = runner.archive(["--json", "bundle", "list"]).ok().json();
    assert!(listed["items"][0]["release_url"].as_str().unwrap().ends_with("/v1.0.1"));
    // What is published is what the workflow names.
    let published =
        steps().iter().filter_map(|it| it["run"].as_str().map(str::to_owned)).next_back();
    let published = published.unwrap();
    let globs = published.split_whitespace().filter(|word| word.starts_with("releases/"));
    let line = format!("ls {}", globs.collect::<Vec<_>>().join(" "));
    assert_eq!(runner.types(&line).ok().stdout.lines().count(), names.len());
}
