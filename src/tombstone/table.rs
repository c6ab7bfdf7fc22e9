//! Which file gets which wrapping: the complete table, frozen for version 1 of the stub.
//!
//! Promises the same answer in every clone, on every machine: two clones that archive one file
//! must write the same bytes. So nothing here may change, not even to mend it; another table is
//! another version. docs/formats.md carries the table; this one is its source.
//!
//! Where an extension has several languages, the commoner one decides (`.m` Objective-C, `.pl`
//! Perl, `.cls` LaTeX, `.sls` Salt, `.s` a block that every assembler's preprocessor takes). What
//! is not named gets plain lines, among it: languages whose comments none of the wrappings is
//! (Fortran, Basic, batch, OCaml, Vim, COBOL, Haml), formats without comments (text, CSV,
//! JSON Lines, MDX, most lock files) and template files of any language (`.in`, `.tmpl`, `.j2`).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Wrapping;
use crate::model::RepoPath;

/// One wrapping and the files that get it; all words are in small letters, sorted bytewise.
#[derive(Debug, PartialEq, Eq)]
pub struct TableRow {
    /// The wrapping.
    pub wrapping: Wrapping,
    /// What stands after the last dot of the file name.
    pub extensions: &'static [&'static str],
    /// Whole file names.
    pub names: &'static [&'static str],
    /// How the file name begins; asked last.
    pub prefixes: &'static [&'static str],
}

impl Wrapping {
    /// The wrapping for a file: by its whole name, else by its extension, else by how its name
    /// begins, else [`Wrapping::Plain`]; ASCII letters of either case are the same.
    pub fn for_path(path: &RepoPath) -> Self {
        let name = path.file_name();
        let is = |word: &&str, bytes: &[u8]| bytes.eq_ignore_ascii_case(word.as_bytes());
        let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|it| is(prefix, it));
        let by_word =
            |words: &Words, word: &[u8]| words.get(word.to_ascii_lowercase().as_slice()).copied();
        let by_prefix = || TABLE.iter().find(|row| row.prefixes.iter().any(begins));
        by_word(&NAMES, name)
            .or_else(|| by_word(&EXTENSIONS, path.extension()?))
            .or_else(|| by_prefix().map(|row| row.wrapping))
            .unwrap_or(Self::Plain)
    }
}

/// Wrappings by words in small letters.
type Words = HashMap<&'static [u8], Wrapping>;

static NAMES: LazyLock<Words> = LazyLock::new(|| words(|row| row.names));
static EXTENSIONS: LazyLock<Words> = LazyLock::new(|| words(|row| row.extensions));

fn words(of: fn(&TableRow) -> &'static [&'static str]) -> Words {
    let all =
        TABLE.iter().flat_map(|row| of(row).iter().map(|word| (word.as_bytes(), row.wrapping)));
    all.collect()
}

/// The table; whatever is not in it is [`Wrapping::Plain`].
#[rustfmt::skip] // one word a line would bury the code
pub const TABLE: &[TableRow] = &[
    TableRow {
        wrapping: Wrapping::Hash,
        extensions: &[
            "ac", "am", "awk", "bash", "bats", "bazel", "bb", "bbappend", "bbclass", "bzl",
            "capnp", "cfg", "cmake", "cnf", "coffee", "conf", "containerfile", "cr", "csh", "cwl",
            "d2", "desktop", "dockerfile", "dockerignore", "ebuild", "editorconfig", "elv", "env",
            "envrc", "ex", "exp", "exs", "feature", "fish", "gd", "gemspec", "gitattributes",
            "gitignore", "gn", "gni", "gnuplot", "gp", "gql", "graphql", "gyp", "gypi", "hcl",
            "htaccess", "http", "hurl", "janet", "jbuilder", "jl", "jq", "just", "ksh", "ksy",
            "litcoffee", "m4", "mak", "make", "mk", "mojo", "mount", "n3", "neon", "network",
            "nim", "nimble", "nims", "ninja", "nix", "nomad", "nu", "opam", "org", "pc", "pl",
            "plt", "pm", "po", "pod", "podspec", "pot", "pp", "pri", "pro", "promql",
            "properties", "prql", "ps1", "psd1", "psgi", "psm1", "pxd", "pxi", "py", "pyi", "pyw",
            "pyx", "r", "rake", "raku", "rakumod", "rakutest", "rb", "rbi", "rbs", "rego",
            "robot", "roc", "rq", "ru", "rules", "sage", "sed", "service", "sh", "sln", "sls",
            "smk", "socket", "sparql", "spec", "star", "t", "target", "tcl", "tcsh", "tf",
            "tftpl", "tfvars", "timer", "toml", "ttl", "vy", "wdl", "yaml", "yml", "zsh",
        ],
        names: &[
            ".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc",
            ".bazelignore", ".bazeliskrc", ".bazelrc", ".browserslistrc", ".buckconfig",
            ".cfignore", ".chefignore", ".clang-format", ".clang-tidy", ".clangd",
            ".cmake-format", ".condarc", ".containerignore", ".coveragerc", ".cshrc", ".curlrc",
            ".cursorignore", ".dockerignore", ".ebignore", ".editorconfig", ".env", ".envrc",
            ".eslintignore", ".fdignore", ".flake8", ".gcloudignore", ".gdbinit", ".gemrc",
            ".git-blame-ignore-revs", ".gitattributes", ".gitconfig", ".gitignore", ".gitlint",
            ".gitmodules", ".helmignore", ".hgignore", ".htaccess", ".ignore", ".inputrc",
            ".irbrc", ".justfile", ".kshrc", ".latexmkrc", ".lldbinit", ".mailmap", ".muttrc",
            ".netrc", ".nowignore", ".npmignore", ".npmrc", ".perlcriticrc", ".perltidyrc",
            ".prettierignore", ".profile", ".pryrc", ".pylintrc", ".pypirc", ".rbuildignore",
            ".renviron", ".rgignore", ".rprofile", ".rspec", ".screenrc", ".simplecov",
            ".slugignore", ".stylelintignore", ".tcshrc", ".terraformignore", ".tool-versions",
            ".vercelignore", ".vscodeignore", ".wgetrc", ".yamllint", ".yardopts", ".yarnignore",
            ".yarnrc", ".zlogin", ".zlogout", ".zprofile", ".zshenv", ".zshrc", "apkbuild",
            "appfile", "appraisals", "berksfile", "brewfile", "bsdmakefile", "buck", "build",
            "caddyfile", "capfile", "cargo.lock", "cmakelists.txt", "codeowners", "config",
            "configure", "constraints.in", "constraints.txt", "containerfile", "corefile",
            "crontab", "dangerfile", "deliverfile", "dockerfile", "doxyfile", "earthfile",
            "fastfile", "gemfile", "gnumakefile", "gradle.lockfile", "gradlew", "guardfile",
            "gymfile", "justfile", "kbuild", "kconfig", "latexmkrc", "makefile", "manifest.in",
            "matchfile", "meson.build", "meson.options", "meson_options.txt", "mix.lock", "mvnw",
            "pdm.lock", "pipfile", "pkgbuild", "podfile", "podfile.lock", "poetry.lock",
            "procfile", "pubspec.lock", "puppetfile", "pylintrc", "rakefile", "requirements.in",
            "requirements.txt", "robots.txt", "scanfile", "sconscript", "sconstruct", "snakefile",
            "snapfile", "steepfile", "thorfile", "tiltfile", "uv.lock", "vagrantfile", "vm.args",
            "workspace", "wscript", "yarn.lock",
        ],
        prefixes: &[
            ".env.", "containerfile.", "dockerfile.", "gnumakefile.", "makefile.",
            "requirements-", "vagrantfile.",
        ],
    },
    TableRow {
        wrapping: Wrapping::Slashes,
        extensions: &[
            "ado", "adoc", "apex", "as", "asciidoc", "avdl", "bal", "ballerina", "bicep", "c",
            "c++", "cairo", "carbon", "cc", "circom", "cjs", "cl", "comp", "cpp", "cppm", "cs",
            "csx", "cts", "cu", "cue", "cuh", "cxx", "cyp", "cypher", "d", "dart", "dbml", "di",
            "do", "dot", "dpk", "dpr", "dts", "dtsi", "es6", "fbs", "frag", "fs", "fsi",
            "fsscript", "fsx", "fx", "fxh", "g4", "gdshader", "geom", "gleam", "glsl", "go",
            "gradle", "groovy", "gv", "gvy", "h", "h++", "hh", "hlsl", "hpp", "hx", "hxx", "idl",
            "inl", "ino", "ipp", "ispc", "ixx", "jade", "java", "js", "jsonnet", "jsx", "kdl",
            "kql", "kt", "ktm", "kts", "lalrpop", "libsonnet", "lpr", "m", "metal", "mjs", "mm",
            "modulemap", "move", "mq4", "mq5", "mqh", "mts", "nf", "nr", "nut", "odin", "pas",
            "pbxproj", "pch", "pde", "pegjs", "pest", "php", "php3", "php4", "php5", "php7",
            "php8", "phps", "pkl", "pony", "prisma", "proto", "pug", "qbs", "ql", "qll", "qml",
            "re", "rei", "res", "resi", "ron", "rs", "sass", "sbt", "sc", "scad", "scala", "sce",
            "sci", "shader", "slint", "smithy", "sol", "sqf", "stan", "strings", "styl", "sv",
            "svh", "swift", "swiftinterface", "templ", "tesc", "tese", "thrift", "tpp", "trigger",
            "ts", "tsx", "typ", "v", "vala", "vapi", "vert", "vh", "wgsl", "wit", "xcconfig", "y",
            "yy", "zig", "zon",
        ],
        names: &["go.mod", "go.work", "jenkinsfile"],
        prefixes: &["jenkinsfile."],
    },
    TableRow {
        wrapping: Wrapping::Dashes,
        extensions: &[
            "ada", "adb", "ads", "agda", "als", "applescript", "cabal", "cql", "ddl", "dhall",
            "dml", "elm", "gpr", "hql", "hs", "hs-boot", "hsc", "idr", "lean", "lua", "luau",
            "moon", "mysql", "pgsql", "pkb", "pks", "pls", "plsql", "psql", "purs", "rockspec",
            "sql", "surql", "vhd", "vhdl",
        ],
        names: &[
            ".ghci", ".luacheckrc", ".luacov", "cabal.project", "cabal.project.freeze",
            "cabal.project.local",
        ],
        prefixes: &[],
    },
    TableRow {
        wrapping: Wrapping::Semicolon,
        extensions: &[
            "a51", "ahk", "asd", "asm", "au3", "clj", "cljc", "cljs", "cljx", "def", "edn", "el",
            "fnl", "gcode", "godot", "hy", "inf", "ini", "iss", "lisp", "ll", "lsp", "nasm",
            "nsh", "nsi", "pddl", "reg", "rkt", "rktl", "scm", "sld", "ss", "tres", "tscn", "z80",
        ],
        names: &[".emacs", ".guile", ".sbclrc", "dune", "dune-project", "dune-workspace"],
        prefixes: &[],
    },
    TableRow {
        wrapping: Wrapping::Percent,
        extensions: &[
            "bbx", "bib", "bst", "cbx", "cls", "dtx", "eps", "erl", "escript", "hrl", "lbx",
            "ltx", "prolog", "ps", "sty", "tex", "tikz", "xrl", "yrl",
        ],
        names: &["rebar.config", "rebar.lock", "sys.config"],
        prefixes: &[],
    },
    TableRow {
        wrapping: Wrapping::Xml,
        extensions: &[
            "asax", "ascx", "aspx", "astro", "atom", "axaml", "cfm", "cshtml", "csproj", "dita",
            "ditamap", "dtd", "eex", "ejs", "entitlements", "erb", "filters", "fsproj", "ftl",
            "fxml", "gir", "glade", "gpx", "handlebars", "hbs", "heex", "htm", "html", "iml",
            "jelly", "jrxml", "jsp", "jspx", "kml", "launch", "leex", "liquid", "markdown",
            "master", "mathml", "md", "mdown", "mjml", "mkd", "mkdn", "mml", "mustache", "njk",
            "njsproj", "nuspec", "owl", "phtml", "plist", "proj", "props", "ps1xml", "pyproj",
            "qrc", "razor", "rdf", "resw", "resx", "rss", "ruleset", "runsettings", "sdf",
            "shproj", "shtml", "slnx", "sqlproj", "storyboard", "svelte", "svg", "tag", "targets",
            "tei", "tld", "tmx", "twig", "ui", "urdf", "vbhtml", "vbproj", "vcxproj",
            "vsixmanifest", "vue", "wadl", "wapproj", "wsdl", "wxi", "wxl", "wxs", "xacro",
            "xaml", "xht", "xhtml", "xib", "xlf", "xliff", "xml", "xsd", "xsf", "xsl", "xslt",
            "xul",
        ],
        names: &[
            ".classpath", ".cproject", ".project", "app.config", "nuget.config",
            "packages.config", "web.config",
        ],
        prefixes: &[],
    },
    TableRow {
        wrapping: Wrapping::CStyle,
        extensions: &[
            "acss", "css", "ld", "lds", "less", "pcss", "pl1", "pli", "postcss", "qss", "rex",
            "rexx", "s", "sas", "scss", "wxss",
        ],
        names: &[],
        prefixes: &[],
    },
    TableRow {
        wrapping: Wrapping::Json,
        extensions: &[
            "arb", "avsc", "code-snippets", "code-workspace", "excalidraw", "geojson", "gltf",
            "har", "importmap", "ipynb", "jscsrc", "json", "json5", "jsonc", "jsonld", "map",
            "mcmeta", "sublime-project", "sublime-settings", "tfstate", "topojson", "webapp",
            "webmanifest",
        ],
        names: &[
            ".babelrc", ".bowerrc", ".c8rc", ".commitlintrc", ".eslintrc", ".htmlhintrc",
            ".huskyrc", ".jscsrc", ".jshintrc", ".jslintrc", ".lintstagedrc", ".markdownlintrc",
            ".nycrc", ".postcssrc", ".prettierrc", ".releaserc", ".renovaterc", ".stylelintrc",
            ".swcrc", ".watchmanconfig", "composer.lock", "deno.lock", "flake.lock",
            "package.resolved", "pipfile.lock",
        ],
        prefixes: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn for_path(path: &[u8]) -> Wrapping {
        Wrapping::for_path(&RepoPath::new(path).unwrap())
    }

    #[test]
    fn every_language_of_the_format_has_its_wrapping() {
        for (wrapping, extensions) in [
            (Wrapping::Hash, "py sh rb pl r toml yaml yml cfg mk"),
            (
                Wrapping::Slashes,
                "rs c h cc cpp go java js mjs ts tsx jsx swift kt scala cs php proto",
            ),
            (Wrapping::Dashes, "sql lua hs"),
            (Wrapping::Semicolon, "ini asm lisp clj"),
            (Wrapping::Percent, "tex erl"),
            (Wrapping::Xml, "html xml md vue svg"),
            (Wrapping::CStyle, "css scss less"),
            (Wrapping::Json, "json ipynb webmanifest"),
            (Wrapping::Plain, "txt csv rst png f90 bat ml jsonl unknown"),
        ] {
            for extension in extensions.split(' ') {
                let path = format!("a.b/c d.{extension}");
                assert_eq!(for_path(path.as_bytes()), wrapping, "{extension}");
                assert_eq!(for_path(path.to_uppercase().as_bytes()), wrapping, "{extension}");
            }
        }
    }

    #[test]
    fn name_goes_before_extension_and_extension_before_prefix() {
        for (path, wrapping) in [
            (b"Makefile".as_slice(), Wrapping::Hash),
            (b"x/GNUmakefile", Wrapping::Hash),
            (b"CMakeLists.txt", Wrapping::Hash),
            (b"notes.txt", Wrapping::Plain),
            (b"Dockerfile", Wrapping::Hash),
            (b"Dockerfile.prod", Wrapping::Hash),
            (b"Dockerfile.md", Wrapping::Xml),
            (b"Dockerfiles", Wrapping::Plain),
            (b".env.local", Wrapping::Hash),
            (b"config.h.in", Wrapping::Plain),
            (b"Makefile.in", Wrapping::Hash),
            (b".gitignore", Wrapping::Hash),
            (b"Gemfile", Wrapping::Hash),
            (b"Gemfile.lock", Wrapping::Plain),
            (b"Cargo.lock", Wrapping::Hash),
            (b"Pipfile.lock", Wrapping::Json),
            (b"Rakefile", Wrapping::Hash),
            (b"Jenkinsfile", Wrapping::Slashes),
            (b"go.mod", Wrapping::Slashes),
            (b"go.sum", Wrapping::Plain),
            (b"rebar.config", Wrapping::Percent),
            (b"Web.config", Wrapping::Xml),
            (b"makefile/x", Wrapping::Plain),
            (b".py", Wrapping::Plain),
            (b"a.", Wrapping::Plain),
            (b"a.\xff", Wrapping::Plain),
            (b"\xff.py", Wrapping::Hash),
        ] {
            assert_eq!(for_path(path), wrapping, "{:?}", RepoPath::new(path));
        }
    }

    #[test]
    fn words_are_small_sorted_and_stand_once() {
        type Column = fn(&TableRow) -> &'static [&'static str];
        let columns: [Column; 3] = [|it| it.extensions, |it| it.names, |it| it.prefixes];
        for column in columns {
            for row in TABLE {
                assert!(column(row).is_sorted(), "{:?}", row.wrapping);
            }
            let mut words: Vec<_> = TABLE.iter().flat_map(column).collect();
            words.sort_unstable();
            assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
            assert!(words.iter().all(|it| !it.is_empty() && **it == it.to_ascii_lowercase()));
        }
        assert!(TABLE.iter().flat_map(|row| row.extensions).all(|it| !it.contains('.')));
    }

    #[test]
    fn the_table_is_frozen() {
        let words =
            |row: &TableRow| [row.extensions, row.names, row.prefixes].map(|it| it.join(" "));
        let lines = TABLE.iter().map(|row| {
            let [extensions, names, prefixes] = words(row);
            format!("{:?}|{extensions}|{names}|{prefixes}\n", row.wrapping)
        });
        let text: String = lines.collect();
        assert_eq!(
            Digest::of(text.as_bytes()).to_string(),
            "5dc65348a197e117b5129c3d29733c198159c17cea868a3043866275372c2a66",
            "released stubs depend on the table: another one needs another version of the stub"
        );
    }
}
