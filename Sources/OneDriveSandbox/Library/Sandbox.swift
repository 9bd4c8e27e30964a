/// A OneDrive on loopback over a folder of videos.
public enum SandboxPlace {}
