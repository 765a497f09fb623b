# SPDX-License-Identifier: BSD-2-Clause
# Reads the `// links:` lines of host tests and fuzz targets and writes, as make
# rules, which objects each program is linked from. A test's objects lie in
# build/host, a fuzz target's (another compiler, other sanitizers) in build/fuzz.
# Words that begin with -l are libraries.

function object(source) {
	sub(/\.c$/, ".o", source)
	return "$(B)/" tree "/" source
}

FNR == 1 {
	tree = FILENAME ~ /_fuzz\.c$/ ? "fuzz" : "host"
	program = FILENAME
	sub(/\.c$/, "", program)
	program = "$(B)/" tree "/" program
	print program ": " object(FILENAME)
}

/^\/\/ *links:/ {
	sub(/^\/\/ *links:/, "")
	for (i = 1; i <= NF; i++) {
		if ($i ~ /^-l/)
			print program ": LIBRARIES += " $i
		else
			print program ": " object($i)
	}
}
