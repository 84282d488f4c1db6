# SPDX-License-Identifier: Apache-2.0
# What Doxygen sees of a header: docs/Doxyfile. Lines keep their numbers.

# The keys of a comment stand on lines of their own.
s@^( *///) *(Thread|Suspends|Cancel point|Cancel|Starts|Resumes|Blocks|Lifetime|Units|Fails|Order|Repeat|Cost|Emitted|Signals|Source):@\1 <br><b>\2:</b>@
# Copying and moving need no words of their own.
s@^( *)((explicit )?([A-Z][A-Za-z]*)\((const )?\4(<[A-Za-z]*>)? &&?[a-z]*\).*)@\1/** Copies or moves. */ \2@
s@^( *)([A-Z][A-Za-z]*(<[A-Za-z]*>)? &operator=\((const )?[A-Z][A-Za-z]*(<[A-Za-z]*>)? &&?[a-z]*\).*)@\1/** Copies or moves. */ \2@
# Constructors of a base class are described there.
s@^ *using ([A-Za-z]+)::\1;@@
# Names that the language or the standard library asks for.
s@^( *)(using (promise_type|value_type) = .*)@\1/** For the compiler and for templates. */ \2@
# Function templates that are friends are described where they stand; here Doxygen would link to nothing.
/^ *template<[^>]*>$/{
N
/\n *friend /{
:more
/;$/!{
N
b more
}
s/[^\n]+//g
}
}
# With Qt's tag file Doxygen knows the function behind it, and asks for a comment that it takes from nowhere.
s/^ *using QObject::parent;.*//
