#include <string>
#include <vector>

// The longest of some words; the first one if several are as long.
std::string longest(const std::vector<std::string>& words) {
    std::string best = words[0];
    for (int i = 1; i < (int)words.size(); i++) {
        if (words[i].size() > best.size()) {
            best = words[i];
        }
    }
    return best;
}
