export default function parts() {}
