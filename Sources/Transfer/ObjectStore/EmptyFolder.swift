internal import Glibc

/// A folder that has lost its last file.
public enum EmptyFolder {
    /// Removes the folder, unless something is in it: the system decides, so that nothing just made is lost.
    public static func remove(_ path: String) { _ = rmdir(path) }
}
